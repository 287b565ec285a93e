// The types of `sastaotp/testing`.

import { type Client, type ClientOptions } from './index.js'

/**
 * An imitation of the service on this machine, in its own process. It needs no account and no
 * money, and accepts any API key. Each key has its own wallet, orders, clock and faults.
 */
export class Sandbox {
  private constructor()
  /** Starts a sandbox on 127.0.0.1. It does not keep this process alive, and exits with it. */
  static start(options?: { port?: number | undefined }): Promise<Sandbox>
  /** The address for `baseUrl`. */
  readonly url: string
  /** Creates a client of the sandbox, with a new API key unless one is given. */
  client(options?: ClientOptions): Client
  /**
   * Reads or changes the data of one API key. The project's README describes the calls: `reset`,
   * `seed`, `clock`, `sms`, `expire`, `provider_cancel`, `faults`, `ledger`, `assert` and `log`.
   *
   * Without a body it reads. Throws an `Error` if the sandbox refuses the call, or if a figure of
   * `assert` differs.
   */
  control(apiKey: string, call: string, body?: object): Promise<unknown>
  /** Stops the program. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
