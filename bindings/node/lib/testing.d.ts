import { type Client, type ClientOptions } from './index.js'

/** The service itself, small and deterministic, in a process of its own: no account, no money. */
export class Sandbox {
  private constructor()
  /** Starts one on 127.0.0.1. It does not keep the process alive, and ends with it, however that ends. */
  static start(options?: { port?: number | undefined }): Promise<Sandbox>
  /** For `baseUrl`. */
  readonly url: string
  /** A client with a key of its own, and so a wallet, orders and a clock of its own. */
  client(options?: ClientOptions): Client
  /**
   * Makes a control call for a key: `reset`, `seed`, `clock`, `sms`, `expire`, `provider_cancel`, `faults`, `ledger`,
   * `assert` or `log`. Without a body it reads.
   */
  control(apiKey: string, call: string, body?: object): Promise<unknown>
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
