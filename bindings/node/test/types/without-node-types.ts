// A TypeScript program without the types of Node or of the DOM. It is compiled, not run.

import { type AbortSignalLike, type Client, Intent } from 'sastaotp'
import { Sandbox } from 'sastaotp/testing'

export async function main(client: Client, signal: AbortSignalLike): Promise<string | null> {
  const number = await client.lease('tg', { country: '22', maxPrice: 80, signal })
  const { state, code } = await number.close()
  const sandbox = await Sandbox.start()
  await sandbox[Symbol.asyncDispose]()
  client[Symbol.dispose]()
  return state === 'kept' ? null : (code?.code ?? Intent.fromJSON('').watermark)
}
