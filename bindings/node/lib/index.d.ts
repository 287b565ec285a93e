// The types of the package. TypeScript programs need no types of Node to use them.

declare global {
  // Declared as in TypeScript's library esnext.disposable, for programs that do not load it.
  interface SymbolConstructor {
    readonly dispose: unique symbol
    readonly asyncDispose: unique symbol
  }
}

/** Rupees as a number, or as text, which is read exactly. */
export type Rupees = number | string

/** The members of `AbortSignal` that this package uses. Any type of AbortSignal fits it. */
export interface AbortSignalLike {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** The options of every call. */
export interface CallOptions {
  /**
   * Ends the call at once, with an error named `AbortError`. A purchase that was already sent
   * continues to its reply: then the error is an `OutcomeUnknownError`, and `unclaimed` lists the
   * number if one is bought.
   */
  signal?: AbortSignalLike | undefined
}

export interface ClientOptions {
  /** 1 to 256 visible ASCII characters; `SASTAOTP_API_KEY` by default. */
  apiKey?: string | undefined
  /**
   * Where a request carries the key: in the header `X-API-Key` (the default), in
   * `Authorization: Bearer`, or in the query parameter `api_key`.
   */
  apiKeyLocation?: 'header' | 'bearer' | 'query' | undefined
  /**
   * An https address, or http to this machine only; by default `SASTAOTP_BASE_URL` or the vendor's
   * address.
   */
  baseUrl?: string | undefined
  /** `libsastaotp/` and the version by default. */
  userAgent?: string | undefined
  /** Certificates (PEM) to trust in addition to the public authorities. */
  ca?: string | Uint8Array | undefined
  /** The most idle connections to keep; 64 by default. */
  maxConnections?: number | undefined
  /**
   * The most that this client may spend. A purchase that could exceed it is refused before it is
   * sent; a confirmed refund is added back. With a budget, every purchase needs a maximum price.
   */
  budget?: Rupees | undefined
  /** The budget in millionths of a rupee. */
  budgetMicros?: number | undefined
  /**
   * The time for a whole call with its retries, in milliseconds; 90,000 by default. A wait, a
   * reconcile and a settle with `onTooEarly: 'wait'` have their own times.
   */
  timeoutMs?: number | undefined
  /**
   * The most requests per minute; no limit by default. With or without it, the client slows down
   * after a 429.
   */
  maxRequestsPerMinute?: number | undefined
  /** The most requests in flight at once, 1 to 512; 64 by default. */
  workers?: number | undefined
}

/** The highest acceptable price of a number. Exactly one of the three is required. */
export type PriceLimit =
  | { maxPrice: Rupees; maxPriceMicros?: undefined; acceptAnyPrice?: undefined }
  | { maxPrice?: undefined; maxPriceMicros: number; acceptAnyPrice?: undefined }
  | { maxPrice?: undefined; maxPriceMicros?: undefined; acceptAnyPrice: true }

export type NumberOptions = CallOptions &
  PriceLimit & {
    /**
     * A country code from `getCountries`, not a calling code: India is `22`. If absent, the service
     * chooses the country.
     */
    country?: string | undefined
    /** The provider to buy from. */
    operator?: string | undefined
    /** Buys a number that can receive several codes. */
    multiSms?: boolean | undefined
  }

export interface WaitOptions extends CallOptions {
  /** How long to wait. The wait also ends when the order expires. */
  timeoutMs: number
  /** The pause between two polls in milliseconds, at least 5,000 (the default). */
  intervalMs?: number | undefined
  /**
   * After `requestNextCode`, accepts the previous code again even if the service did not report
   * waiting in between.
   */
  acceptSameCode?: boolean | undefined
  /**
   * Cancels the order for its refund if no code arrives in time, which takes at most 10 more
   * seconds. The wait still ends with a `WaitTimeoutError`, or with the error of the cancellation.
   */
  cancelOnTimeout?: boolean | undefined
}

export interface SettleOptions extends CallOptions {
  /**
   * If the order is too young to cancel, `'fail'` throws a `TooEarlyError`, and `'wait'` waits
   * until the service allows it and accepts a code that arrives meanwhile. The default is `'fail'`
   * for `settle` and `'wait'` for `Lease.close`.
   */
  onTooEarly?: 'wait' | 'fail' | undefined
}

export interface OrderOptions extends CallOptions {
  /** Lists only orders with this status. */
  status?: string | undefined
}

export interface OrderPageOptions extends OrderOptions {
  /** The number of orders on a page, 1 to 100; 100 by default. */
  limit?: number | undefined
  /** The page, starting at 1. */
  page?: number | undefined
}

/** A result with the service's reply that it was read from. */
export interface Reply {
  /** The reply as JSON.parse returns it, or as text if it is not JSON. */
  readonly raw: unknown
}

/** An array with the service's reply that it was read from. */
export type Listing<T> = T[] & Reply

/**
 * The wallet's balance.
 *
 * Every amount is a number of rupees, for display, and an exact number of millionths of a rupee
 * (`…Micros`). Outside `Balance` an amount is null if the service sends none that can be read; its
 * `…Micros` is also null above 9 billion rupees, which a number cannot hold exactly.
 */
export interface Balance extends Reply {
  amount: number
  amountMicros: number
  currency: string
}

export interface Service {
  /** The code for `getNumber`. */
  code: string
  name: string
  /** The price of a number if no country is chosen. */
  price: number | null
  priceMicros: number | null
  /** The count of numbers in stock. */
  available: number | null
  multiSms: boolean | null
  /** The time from the purchase until an order expires, in milliseconds. */
  expiresInMs: number | null
  /** The countries that sell the service. Often empty unless you request a single service. */
  countries: Offer[]
}

export interface Offer {
  country: string
  countryName: string
  price: number | null
  priceMicros: number | null
  /** The count of numbers in stock. */
  available: number | null
}

export interface Price {
  country: string
  service: string
  price: number | null
  priceMicros: number | null
  /** The count of numbers in stock. */
  available: number | null
}

export interface Country {
  /** The code for `getNumber`. Not a calling code. */
  code: string
  /** The English name. Two countries may have the same name. */
  name: string
  /** Whether the service shows the country to its users. */
  visible: boolean
}

/** An order of the history. A field that the reply omits is null. */
export interface Order extends Reply {
  orderId: string | null
  /** The id for `activation`. */
  activationId: string | null
  phoneNumber: string | null
  service: string | null
  country: string | null
  price: number | null
  priceMicros: number | null
  /** `pending`, `completed`, `cancelled`, `expired`, or another word of the service. */
  status: string | null
  code: string | null
  /** When the order was created, if its text can be read as a time. */
  createdAt: Date | null
  /** When the order was created, in the service's words, which do not contain a time zone. */
  createdText: string | null
}

export interface OrderPage extends Reply {
  /** Newest first. */
  orders: Order[]
  /** The number of orders on all pages, if the service reports it. */
  total: number | null
  /**
   * The ids of activations on this page that may duplicate a purchase of this client: a proxy sent
   * the request twice, or another program bought the same with this key.
   */
  extraOrders: string[]
}

export interface Sms extends Reply {
  /** The code, verbatim: it may contain colons, spaces and leading zeros. */
  code: string
  text: string | null
  sender: string | null
  /** When the SMS arrived, in the service's words. */
  receivedText: string | null
  /** Whether this order received the same code before. */
  isRepeat: boolean
}

export interface Status extends Reply {
  kind: 'waiting' | 'waiting_for_next' | 'received' | 'cancelled' | 'other'
  sms: Sms | null
  lastCode: string | null
  /** The service's own word, if `kind` is `other`. */
  text: string | null
}

export interface StatusChange extends Reply {
  /** What the service reports that it did. */
  kind:
    | 'cancelled'
    | 'already_cancelled'
    | 'ready'
    | 'waiting_for_next'
    | 'completed'
    | 'accepted'
    | 'other'
  /** The service's own word, if `kind` is `other`. */
  text: string | null
}

export interface Settlement extends Reply {
  /**
   * `code_arrived`: a code arrived before the cancellation, and the order is open: complete it.
   * `already_over`: the order had ended before. `kept`: the lease was kept, and nothing was sent.
   */
  state: 'completed' | 'cancelled' | 'code_arrived' | 'already_over' | 'kept'
  code: Sms | null
}

export interface Purchase extends Reply {
  activationId: string
  orderId: string | null
  phoneNumber: string
  service: string | null
  serviceName: string | null
  country: string | null
  countryName: string | null
  price: number | null
  priceMicros: number | null
  /** Whether the service sells more codes for this number. */
  multiSms: boolean | null
  canGetAnotherSms: boolean | null
  /** The time from the purchase until the order expires, in milliseconds. */
  expiresInMs: number | null
  /** A note from the service's operators. */
  note: string | null
  /** Each describes an oddity of the reply. The purchase is still valid. */
  warnings: string[]
}

export interface Reconciliation {
  /**
   * The orders that may be the purchase. An empty list means the order was not found, not that you
   * were not charged.
   */
  candidates: Order[]
  /** Whether the history was read back to an order that is older than the purchase. */
  complete: boolean
}

export interface Unclaimed {
  intent: Intent
  outcome: 'pending' | 'bought' | 'unknown'
  purchase: Purchase | null
  error: SastaotpError | null
}

export interface BudgetLeft {
  /** In rupees; null if the client has no budget. */
  budgetLeft: number | null
  budgetLeftMicros: number | null
}

/** A prepared purchase. Save `JSON.stringify(intent)`, and read it with `Intent.fromJSON`. */
export class Intent {
  private constructor()
  /** Reads a saved intent. Throws a `ConfigError` if `saved` is not one. */
  static fromJSON(saved: string | object): Intent
  readonly action: 'getNumber' | 'regetNumber'
  readonly service?: string
  readonly country?: string | null
  readonly operator?: string | null
  readonly multiSms?: boolean
  /** For `regetNumber`: the activation whose number is bought again. */
  readonly id?: string
  readonly phoneNumber?: string | null
  readonly maxPrice: number | null
  readonly maxPriceMicros: number | null
  readonly startedAt: Date
  /** The highest order id that was known before the purchase, in decimal digits. */
  readonly watermark: string | null
  toJSON(): object
}

/** A number that was bought. Dropping the object leaves the order as it is. */
export class Activation {
  protected constructor()
  readonly id: string
  /** The number as the service wrote it. */
  readonly phoneNumber: string | null
  readonly price: number | null
  readonly priceMicros: number | null
  readonly expiresAt: Date | null
  /** The reply to the purchase; null if the activation was created from its id. */
  readonly purchase: Purchase | null
  getStatus(options?: CallOptions): Promise<Status>
  setStatus(status: -1 | 1 | 3 | 6 | 8, options?: CallOptions): Promise<StatusChange>
  waitForCode(options: WaitOptions): Promise<Sms>
  markSmsSent(options?: CallOptions): Promise<void>
  requestNextCode(options?: CallOptions): Promise<void>
  complete(options?: CallOptions): Promise<Settlement>
  cancel(options?: CallOptions): Promise<Settlement>
  settle(options?: SettleOptions): Promise<Settlement>
  markUnclaimed(options?: CallOptions): Promise<void>
  /** **Costs money.** */
  regetNumber(options?: CallOptions): Promise<Activation>
}

/**
 * A number that is settled when the lease ends: the order is completed if a code arrived, and
 * cancelled for its refund if not.
 */
export class Lease extends Activation {
  /**
   * Ends the lease and settles the order. Once the order is settled, returns the same settlement
   * again. Waits out the early-cancel period unless `onTooEarly` is `'fail'`. If a code arrives
   * during the cancellation, the settlement contains it.
   *
   * If the order cannot be settled, throws the error, and `unclaimed` lists the number. If a code
   * has arrived, does not throw, so that no error hides the code: returns the state `code_arrived`,
   * and the process emits a warning that the order is open.
   */
  close(options?: SettleOptions): Promise<Settlement>
  /**
   * Ends the lease and keeps the order open. A later `close` does nothing and returns the state
   * `kept`.
   */
  keep(): this
  [Symbol.asyncDispose](): Promise<void>
}

/** A client of the service. No method blocks the event loop. */
export class Client {
  constructor(options?: ClientOptions)
  getBalance(options?: CallOptions): Promise<Balance>
  getServices(options?: CallOptions & { service?: string | undefined }): Promise<Listing<Service>>
  getPrices(
    options?: CallOptions & { service?: string | undefined; country?: string | undefined }
  ): Promise<Listing<Price>>
  getCountries(options?: CallOptions): Promise<Listing<Country>>
  /** Finds countries by their English name, ignoring case. */
  findCountry(name: string, options?: CallOptions): Promise<Listing<Country>>
  /** Returns one page of the order history. */
  getOrders(options?: OrderPageOptions): Promise<OrderPage>
  /** Iterates over the order history, newest first. Fetches pages as needed. */
  orders(options?: OrderOptions): AsyncGenerator<Order, void, undefined>
  /**
   * Buys a number. **Costs money.** The request is sent once, and again only if it is proved that
   * no byte of it left.
   */
  getNumber(service: string, options: NumberOptions): Promise<Activation>
  /** Buys a number that is settled when the lease ends. **Costs money.** */
  lease(service: string, options: NumberOptions): Promise<Lease>
  /** Prepares a purchase for `buy`, for programs that may be killed. */
  intend(service: string, options: NumberOptions): Promise<Intent>
  /** Makes a prepared purchase. **Costs money.** */
  buy(intent: Intent, options?: CallOptions): Promise<Activation>
  /** Buys the number of a completed activation again. **Costs money.** */
  regetNumber(id: string, options?: CallOptions): Promise<Activation>
  /**
   * Returns an activation by its id. Sends nothing. The first call on the activation claims it,
   * which removes it from `unclaimed`.
   */
  activation(id: string): Activation
  getStatus(id: string, options?: CallOptions): Promise<Status>
  /**
   * Sends setStatus: -1 or 8 cancels, 1 reports that the SMS was sent, 3 requests the next code,
   * and 6 completes.
   */
  setStatus(id: string, status: -1 | 1 | 3 | 6 | 8, options?: CallOptions): Promise<StatusChange>
  /**
   * Polls until a code arrives. Throws a `WaitTimeoutError` if none arrives in time; the order then
   * stays open unless `cancelOnTimeout` is set.
   */
  waitForCode(id: string, options: WaitOptions): Promise<Sms>
  markSmsSent(id: string, options?: CallOptions): Promise<void>
  /** Requests another code. The next wait does not return the previous code. */
  requestNextCode(id: string, options?: CallOptions): Promise<void>
  complete(id: string, options?: CallOptions): Promise<Settlement>
  /** Cancels an order for its refund, unless a code arrives first. */
  cancel(id: string, options?: CallOptions): Promise<Settlement>
  /**
   * Completes an order if a code arrived, and cancels it if not. Throws if a code arrived that
   * cannot be read: the order then stays open.
   */
  settle(id: string, options?: SettleOptions): Promise<Settlement>
  /** Lists a number in `unclaimed`, for a program that stops using it without settling it. */
  markUnclaimed(id: string, options?: CallOptions): Promise<void>
  /**
   * Looks in the order history for a purchase with an unknown outcome, from 2 to 40 seconds after
   * it. Waits for the reply to any identical purchase in flight, to exclude the order of that
   * purchase. Claims nothing.
   */
  reconcile(intent: Intent, options?: CallOptions): Promise<Reconciliation>
  /**
   * Lists purchases whose call was aborted and numbers of leases that could not be settled. A call
   * on its number removes an entry.
   */
  unclaimed(options?: CallOptions): Promise<Unclaimed[]>
  budgetLeft(options?: CallOptions): Promise<BudgetLeft>
  /**
   * Cancels pending calls and closes the client. Its leases still settle when they end, and so do
   * numbers that are being bought for leases; if one of them cannot be settled, the process emits a
   * warning. A client that is garbage-collected needs no `close`.
   */
  close(): void
  [Symbol.dispose](): void
}

/** A failed call. Branch on its class or its fields. No field contains the API key. */
export class SastaotpError extends Error {
  /** The kind of failure. A later version may add kinds. */
  readonly kind:
    | 'config'
    | 'budget'
    | 'authentication'
    | 'insufficient_balance'
    | 'no_numbers'
    | 'price_too_high'
    | 'service_unavailable'
    | 'not_found'
    | 'already_finished'
    | 'too_early'
    | 'rejected'
    | 'server'
    | 'rate_limited'
    | 'blocked'
    | 'protocol'
    | 'connection'
    | 'tls'
    | 'timeout'
    | 'cancelled'
    | 'wait_timeout'
    | 'expired'
    | 'activation_cancelled'
    | 'internal'
    | (string & {})
  /** The service's own code, such as `NO_NUMBERS`; `ABORT_ERR` for an aborted call. */
  readonly code: string | null
  readonly httpStatus: number | null
  /** The phase of the call that failed. */
  readonly phase:
    | 'prepare'
    | 'resolve'
    | 'connect'
    | 'tls'
    | 'send'
    | 'receive'
    | 'decode'
    | 'service'
  /** Whether the wallet was charged. `not_charged` is proved. */
  readonly charge: 'not_charged' | 'unknown' | 'charged'
  /** Whether the same call may succeed later. */
  readonly retry: 'never' | 'after' | 'after_reconcile'
  /** The pause before a retry in milliseconds, if `retry` is `after`. */
  readonly retryAfterMs: number | null
  /** The name of the fault, such as `reply_lost`. */
  readonly fault: string | null
  /** The purchase that failed. */
  readonly intent: Intent | null
  /** The advice at the end of the message; may be empty. */
  readonly hint: string
  /** The first 4,096 characters of the reply, if a reply is the reason. */
  readonly raw: string | null
  toJSON(): object
}

/** An argument or an option is invalid. Nothing was sent. */
export class ConfigError extends SastaotpError {}
/** The client's budget does not cover the purchase. Nothing was sent. */
export class BudgetError extends SastaotpError {}
/** The service answered with a refusal or a failure. */
export class ApiError extends SastaotpError {}
/** The service does not accept the key or the account. */
export class AuthenticationError extends ApiError {}
/** The wallet's balance is too low. */
export class InsufficientBalanceError extends ApiError {}
/** No number is available. */
export class NoNumbersError extends ApiError {}
/** The price is above the given maximum. */
export class PriceTooHighError extends ApiError {}
/** The service is not sold in this country. */
export class ServiceUnavailableError extends ApiError {}
/** The activation does not exist. */
export class NotFoundError extends ApiError {}
/** The order has already ended. */
export class AlreadyFinishedError extends ApiError {}
/** The order is too young to cancel; `retryAfterMs` is the time to wait. */
export class TooEarlyError extends ApiError {}
/** The service or its provider failed. */
export class ServerError extends ApiError {}
/** Too many requests. */
export class RateLimitError extends ApiError {}
/** A firewall in front of the service refused the request. */
export class BlockedError extends SastaotpError {}
/** The reply is incomplete or not a reply of the service. */
export class ProtocolError extends SastaotpError {}
/** The connection failed or broke. */
export class ConnectionError extends SastaotpError {}
/** The server could not prove its identity. */
export class TlsError extends ConnectionError {}
/** A timeout expired. */
export class TimeoutError extends SastaotpError {}
/** No code arrived in time. The order is still open unless `cancelOnTimeout` was set. */
export class WaitTimeoutError extends SastaotpError {}
/** The order expired without a code. */
export class ExpiredError extends SastaotpError {}
/** The service, or another program with the same key, cancelled the order. */
export class ActivationCancelledError extends SastaotpError {}
/**
 * The call was aborted by its signal, whose reason is `cause`, or by `client.close()`. Its `code`
 * is `ABORT_ERR`.
 */
export class AbortError extends SastaotpError {}
/** A bug in this library. The call may have taken effect. */
export class InternalError extends SastaotpError {}
/** The purchase may have been made, whatever `kind` is: reconcile `intent` before you buy again. */
export class OutcomeUnknownError extends SastaotpError {
  readonly charge: 'unknown'
  readonly intent: Intent
}
