declare global {
  // As TypeScript's library esnext.disposable and the types of Node have them: needed here where a program has neither.
  interface SymbolConstructor {
    readonly dispose: unique symbol
    readonly asyncDispose: unique symbol
  }
}

/** Rupees: a number, or the text of one, which is read exactly. */
export type Rupees = number | string

/** An `AbortSignal`, as far as it is needed here: whichever types of it a program has, or none. */
export interface AbortSignalLike {
  readonly aborted: boolean
  readonly reason?: unknown
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** What every call takes besides its arguments. */
export interface CallOptions {
  /**
   * Ends the call at once, with an error named `AbortError`. A purchase that was sent already runs on to its reply: the error
   * is an `OutcomeUnknownError` too, and `unclaimed` lists what was bought.
   */
  signal?: AbortSignalLike | undefined
}

export interface ClientOptions {
  /** 1 to 256 visible ASCII characters; `SASTAOTP_API_KEY` by default. */
  apiKey?: string | undefined
  /** Where the key goes in a request: `X-API-Key`, the default; `Authorization: Bearer`; or the parameter `api_key`. */
  keyIn?: 'header' | 'bearer' | 'query' | undefined
  /** https, or http to this machine alone; `SASTAOTP_BASE_URL` or the vendor's address by default. */
  baseUrl?: string | undefined
  userAgent?: string | undefined
  /** Certificates (PEM) to trust besides the public authorities. */
  ca?: string | Uint8Array | undefined
  /** Idle connections that are kept at most; 64 by default. */
  maxConnections?: number | undefined
  /** The total that charges may reach: a purchase that could go beyond is refused before it is sent. */
  budget?: Rupees | undefined
  /** The same in millionths of a rupee. */
  budgetMicros?: number | undefined
  /** How long a call may take in all, its retries among it; 90,000 by default. A wait, a reconcile and a settle that waits out
   * have times of their own.
   */
  timeoutMs?: number | undefined
  /** Requests a minute at most; as many as the service takes by default. */
  maxRequestsPerMinute?: number | undefined
  /** Requests that are under way at once, 1 to 512; 64 by default. */
  workers?: number | undefined
}

/** What a number may cost: one of the three must be said. */
export type PriceLimit =
  | { maxPrice: Rupees; maxPriceMicros?: undefined; acceptAnyPrice?: undefined }
  | { maxPrice?: undefined; maxPriceMicros: number; acceptAnyPrice?: undefined }
  | { maxPrice?: undefined; maxPriceMicros?: undefined; acceptAnyPrice: true }

export type NumberOptions = CallOptions &
  PriceLimit & {
    /** A code of `getCountries`, which is not a calling code: India is `22`. Without one the service chooses. */
    country?: string | undefined
    /** A provider. */
    operator?: string | undefined
    /** A number that can get several codes. */
    multiSms?: boolean | undefined
  }

export interface WaitOptions extends CallOptions {
  /** How long to wait. The order's own expiry ends a wait too. */
  timeoutMs: number
  /** The pause between two polls, 5,000 or more. */
  intervalMs?: number | undefined
  /** Takes a code that came before for a new one. */
  acceptSameCode?: boolean | undefined
  /**
   * Cancels the order for its refund when no code came in time. That takes 10 seconds more at most. The wait ends with a
   * `WaitTimeoutError` all the same, or with what the cancellation failed with.
   */
  cancelOnTimeout?: boolean | undefined
}

export interface SettleOptions extends CallOptions {
  /** Waits until the service lets the order be cancelled, and takes a code that comes meanwhile. */
  waitOut?: boolean | undefined
}

export interface OrderOptions extends CallOptions {
  /** Only orders in this state. */
  status?: string | undefined
}

export interface OrderPageOptions extends OrderOptions {
  /** Orders on a page, 1 to 100; 100 by default. */
  limit?: number | undefined
  /** The page, from 1. */
  page?: number | undefined
}

/** The reply of the service that something was read from: as JSON.parse gives it, or text. */
export interface Reply {
  readonly raw: unknown
}

/** A list, with the reply that it was read from. */
export type Listing<T> = T[] & Reply

/**
 * Amounts are numbers of rupees, for showing, beside exact ones in millionths of a rupee (`…Micros`): null where the service
 * says none that can be read, and above 9 billion rupees, which no number holds exactly.
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
  /** What a number costs where no country is chosen. */
  price: number | null
  priceMicros: number | null
  available: number | null
  multiSms: boolean | null
  /** How long after the purchase an order expires. */
  expiresInMs: number | null
  /** Where it is sold; often empty unless one service is asked for. */
  countries: Offer[]
}

export interface Offer {
  country: string
  countryName: string
  price: number | null
  priceMicros: number | null
  available: number | null
}

export interface Price {
  country: string
  service: string
  cost: number | null
  costMicros: number | null
  count: number | null
}

export interface Country {
  /** The code for `getNumber`. Not a calling code. */
  code: string
  /** In English. Names repeat. */
  name: string
  /** Whether the service shows it to its users. */
  visible: boolean
}

/** An order of the history. What the reply does not give is null. */
export interface Order extends Reply {
  orderId: string | null
  /** For `activation`. */
  activationId: string | null
  phoneNumber: string | null
  service: string | null
  country: string | null
  price: number | null
  priceMicros: number | null
  /** `pending`, `completed`, `cancelled`, `expired`, or another word of the service. */
  status: string | null
  code: string | null
  /** In the words of the service: the zone of that time is not known. */
  createdAt: string | null
  created: Date | null
}

export interface OrderPage extends Reply {
  /** Newest first. */
  orders: Order[]
  /** How many there are on all pages, where the service says so. */
  total: number | null
  /** The activations on this page that may be a purchase of this client made twice, on its way or by another program. */
  extraOrders: string[]
}

export interface Sms extends Reply {
  /** Untouched: it may hold colons, blanks and leading zeros. */
  code: string
  text: string | null
  sender: string | null
  /** In the words of the service. */
  receivedAt: string | null
  /** Whether the same code came for this order before. */
  isRepeat: boolean
}

export interface Status extends Reply {
  status: 'waiting' | 'waiting_for_next' | 'received' | 'cancelled' | 'other'
  sms: Sms | null
  lastCode: string | null
  /** The service's own word, of `other`. */
  text: string | null
}

export interface StatusChange extends Reply {
  /** What the service says that it did. */
  change:
    | 'cancelled'
    | 'already_cancelled'
    | 'ready'
    | 'waiting_for_next'
    | 'completed'
    | 'accepted'
    | 'other'
  /** The service's own word, of `other`. */
  text: string | null
}

export interface Settlement extends Reply {
  /**
   * `code_arrived`: not cancelled, for a code came first; complete it. `already_over`: it was over before. `kept`: a lease that
   * was kept; nothing was asked for.
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
  multiSms: boolean | null
  canGetAnotherSms: boolean | null
  expiresInMs: number | null
  note: string | null
  /** What is odd about the reply. The purchase stands all the same. */
  warnings: string[]
}

export interface Reconciliation {
  /** The orders that may be the purchase. None means "not seen", never "not charged". */
  candidates: Order[]
  /** Whether the history was read down to what was known before the purchase. */
  complete: boolean
}

export interface Unclaimed {
  intent: Intent
  outcome: 'pending' | 'bought' | 'unknown'
  purchase: Purchase | null
  error: SastaotpError | null
}

export interface BudgetLeft {
  /** In rupees; null without a budget. */
  budgetLeft: number | null
  budgetLeftMicros: number | null
}

/** A purchase that is about to be made. Save `JSON.stringify(intent)`, and read it with `Intent.fromJSON`. */
export class Intent {
  private constructor()
  /** Reads what was saved. Throws a `ConfigError` where it is no intent. */
  static fromJSON(saved: string | object): Intent
  readonly action: 'getNumber' | 'regetNumber'
  readonly service?: string
  readonly country?: string | null
  readonly operator?: string | null
  readonly multiSms?: boolean
  /** The activation whose number is bought again. */
  readonly id?: string
  readonly phoneNumber?: string | null
  readonly maxPrice: number | null
  readonly maxPriceMicros: number | null
  readonly started: Date
  /** The highest order id that was known before. */
  readonly watermark: string | null
  toJSON(): object
}

/** A number that was bought. Losing the object does nothing to the order. */
export class Activation {
  protected constructor()
  readonly id: string
  /** As the service wrote it. */
  readonly phoneNumber: string | null
  readonly price: number | null
  readonly priceMicros: number | null
  readonly expiresAt: Date | null
  /** What the reply to its purchase said; null for one that was taken up by its id. */
  readonly purchase: Purchase | null
  getStatus(options?: CallOptions): Promise<Status>
  setStatus(status: -1 | 1 | 3 | 6 | 8, options?: CallOptions): Promise<StatusChange>
  waitForCode(options: WaitOptions): Promise<Sms>
  markSmsSent(options?: CallOptions): Promise<void>
  requestNextCode(options?: CallOptions): Promise<void>
  complete(options?: CallOptions): Promise<Settlement>
  cancel(options?: CallOptions): Promise<Settlement>
  settle(options?: SettleOptions): Promise<Settlement>
  leave(options?: CallOptions): Promise<void>
  /** **Costs money.** */
  regetNumber(options?: CallOptions): Promise<Activation>
}

/** A number that is settled when the lease ends: completed when a code came, else cancelled for its refund. */
export class Lease extends Activation {
  /**
   * Ends the lease and settles the order; of a lease that is settled, gives the same again. The early-cancel period is waited
   * out, unless `waitOut` is false. A code may come as the order is to be cancelled: the settlement has it.
   *
   * Where it fails, `unclaimed` lists the number. Where it fails although a code is there, nothing is thrown that would hide the
   * code: the state is `code_arrived`, and the process emits a warning.
   */
  close(options?: SettleOptions): Promise<Settlement>
  /** Ends the lease and leaves the order as it is. A `close` that comes later does nothing; its state is `kept`. */
  keep(): this
  [Symbol.asyncDispose](): Promise<void>
}

/** A client of the service. Every method returns at once; its promise is settled by the event loop. */
export class Client {
  constructor(options?: ClientOptions)
  getBalance(options?: CallOptions): Promise<Balance>
  getServices(options?: CallOptions & { service?: string | undefined }): Promise<Listing<Service>>
  getPrices(
    options?: CallOptions & { service?: string | undefined; country?: string | undefined }
  ): Promise<Listing<Price>>
  getCountries(options?: CallOptions): Promise<Listing<Country>>
  /** The countries of a name in English; case does not count. */
  findCountry(name: string, options?: CallOptions): Promise<Listing<Country>>
  /** One page of the order history. */
  getOrders(options?: OrderPageOptions): Promise<OrderPage>
  /** Goes through the order history, newest first; pages are fetched as they are needed. */
  orders(options?: OrderOptions): AsyncGenerator<Order, void, undefined>
  /** Buys a number. **Costs money.** Sent once, and again only where it is proved that no byte left. */
  getNumber(service: string, options: NumberOptions): Promise<Activation>
  /** Buys a number that is settled when the lease ends. **Costs money.** */
  lease(service: string, options: NumberOptions): Promise<Lease>
  /** Prepares a purchase for `buy`: for programs that may be killed. */
  intend(service: string, options: NumberOptions): Promise<Intent>
  /** Makes a purchase that was prepared. **Costs money.** */
  buy(intent: Intent, options?: CallOptions): Promise<Activation>
  /** Buys the number of a completed activation again. **Costs money.** */
  regetNumber(id: string, options?: CallOptions): Promise<Activation>
  /** An activation by its id. Asks nobody; the first call on it takes it up, and off the list of `unclaimed`. */
  activation(id: string): Activation
  getStatus(id: string, options?: CallOptions): Promise<Status>
  /** -1 or 8 cancels, 1 says that the SMS was sent, 3 asks for the next code, 6 completes. */
  setStatus(id: string, status: -1 | 1 | 3 | 6 | 8, options?: CallOptions): Promise<StatusChange>
  /** Polls until a code comes. Ends with a `WaitTimeoutError` when none did; without `cancelOnTimeout` the order is as it was. */
  waitForCode(id: string, options: WaitOptions): Promise<Sms>
  markSmsSent(id: string, options?: CallOptions): Promise<void>
  /** The code that came is not taken for the next one. */
  requestNextCode(id: string, options?: CallOptions): Promise<void>
  complete(id: string, options?: CallOptions): Promise<Settlement>
  /** Cancels an order for its refund, unless a code came first. */
  cancel(id: string, options?: CallOptions): Promise<Settlement>
  /**
   * Completes an order when a code came, else cancels it. A code that came and cannot be read is an error, and the order
   * stays open.
   */
  settle(id: string, options?: SettleOptions): Promise<Settlement>
  /** Lists a number that nobody has any longer in `unclaimed`. */
  leave(id: string, options?: CallOptions): Promise<void>
  /**
   * Looks for a purchase without a known outcome in the order history, 2 to 40 seconds after it. Waits for another purchase of
   * the kind that is under way: its reply tells whose an order is. Takes up nothing.
   */
  reconcile(intent: Intent, options?: CallOptions): Promise<Reconciliation>
  /** The purchases whose caller gave up, until a call on their number takes it up. */
  unclaimed(options?: CallOptions): Promise<Unclaimed[]>
  budgetLeft(options?: CallOptions): Promise<BudgetLeft>
  /**
   * Cancels what is open, and ends the client. Its leases settle all the same as they end, and so does what is being bought for
   * one; where that fails, the process emits a warning. A client that nobody has any longer ends by itself.
   */
  close(): void
  [Symbol.dispose](): void
}

/** A failed call. Decide by its facts; the message is for people. Nothing here ever shows the key. */
export class SastaotpError extends Error {
  /** What kind of failure it is. There may be more of them in a later version. */
  readonly status:
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
  /** The service's own code, such as `NO_NUMBERS`; `ABORT_ERR` of a cancelled call. */
  readonly code: string | null
  readonly httpStatus: number | null
  /** Where the call was. */
  readonly phase:
    | 'prepare'
    | 'resolve'
    | 'connect'
    | 'tls'
    | 'send'
    | 'receive'
    | 'decode'
    | 'service'
  /** What it did to the wallet: the first question after a purchase. `not_charged` is proved. */
  readonly charge: 'not_charged' | 'unknown' | 'charged'
  /** Whether the same call may succeed later. */
  readonly retry: 'never' | 'after' | 'after_reconcile'
  /** The pause, where `retry` is `after`. */
  readonly retryAfterMs: number | null
  /** The row of the fault matrix, such as `N06`. */
  readonly fault: string | null
  /** The purchase that failed. */
  readonly intent: Intent | null
  /** What to do about it; empty where there is nothing to say. */
  readonly hint: string
  /** The reply, where one came and is the reason: its first 4,096 characters. */
  readonly raw: string | null
  toJSON(): object
}

/** An argument or a setting is wrong. Nothing was sent. */
export class ConfigError extends SastaotpError {}
/** The budget of the client does not cover the purchase. Nothing was sent. */
export class BudgetError extends SastaotpError {}
/** The service answered with a refusal or a failure. */
export class ApiError extends SastaotpError {}
/** The key or the account is not accepted. */
export class AuthenticationError extends ApiError {}
/** The wallet is too low. */
export class InsufficientBalanceError extends ApiError {}
/** No number is free. */
export class NoNumbersError extends ApiError {}
/** The price is above the maximum given. */
export class PriceTooHighError extends ApiError {}
/** The service is not sold in this country. */
export class ServiceUnavailableError extends ApiError {}
/** The service does not know the activation. */
export class NotFoundError extends ApiError {}
/** The order is over. */
export class AlreadyFinishedError extends ApiError {}
/** The order is too young to be cancelled; `retryAfterMs` says how long to wait. */
export class TooEarlyError extends ApiError {}
/** The service or its provider failed. */
export class ServerError extends ApiError {}
/** Too many requests. */
export class RateLimitError extends ApiError {}
/** A firewall in front of the service refused the request. */
export class BlockedError extends SastaotpError {}
/** The reply is not one of the service, or not a whole one. */
export class ProtocolError extends SastaotpError {}
/** The connection could not be made, or broke. */
export class ConnectionError extends SastaotpError {}
/** The server could not prove who it is. */
export class TlsError extends ConnectionError {}
/** Something did not happen in time. */
export class TimeoutError extends SastaotpError {}
/** No code came in the time given. The activation is as it was, unless the wait was to cancel it. */
export class WaitTimeoutError extends SastaotpError {}
/** The order expired without a code. */
export class ExpiredError extends SastaotpError {}
/** The service, or somebody else with the key, cancelled the order. */
export class ActivationCancelledError extends SastaotpError {}
/** Cancelled by its signal, whose reason is the `cause`. Its `code` is `ABORT_ERR`. */
export class AbortError extends SastaotpError {}
/** A defect of this library. What was under way may have taken effect. */
export class InternalError extends SastaotpError {}
/** The purchase may have been made, whatever the `status`: reconcile `intent`, and do not buy again before. */
export class OutcomeUnknownError extends SastaotpError {
  readonly charge: 'unknown'
  readonly intent: Intent
}
