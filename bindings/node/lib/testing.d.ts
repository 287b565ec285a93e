// The types of `sastaotp/testing`.

import { type Client, type ClientOptions } from './index.js'

/** A small deterministic copy of the service in its own process: no account, no money. */
export class Sandbox {
  private constructor()
  /** Starts a sandbox on 127.0.0.1. It does not keep this process alive, and exits with it. */
  static start(options?: { port?: number | undefined }): Promise<Sandbox>
  /** The address for `baseUrl`. */
  readonly url: string
  /** Creates a client with a random key, and so with its own wallet, orders and clock. */
  client(options?: ClientOptions): Client
  /**
   * Makes a control call for a key: `reset`, `seed`, `clock`, `sms`, `expire`, `provider_cancel`,
   * `faults`, `ledger`, `assert` or `log`. With `body` it is a POST, without it a GET.
   */
  control(apiKey: string, call: string, body?: object): Promise<unknown>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
