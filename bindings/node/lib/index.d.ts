// The types of the package. TypeScript programs need no types of Node to use them.

declare global {
  // Declared as in TypeScript's library esnext.disposable, for programs that do not load it.
  interface SymbolConstructor {
    readonly dispose: unique symbol
    readonly asyncDispose: unique symbol
  }
}

/** Rupees as a number, or as text, which is read exactly: at most six decimals, or `1e3`. */
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
   * Aborting it ends the call at once: the call throws an `AbortError`. A purchase that was already
   * sent continues to its reply, and `unclaimed` lists the number if one is bought. Such a call
   * throws an `OutcomeUnknownError` instead, whose `cause` is the signal's reason.
   */
  signal?: AbortSignalLike | undefined
}

/** The options of a client. `undefined` and `null` select the default. */
export interface ClientOptions {
  /** The API key, 1 to 256 visible ASCII characters; `SASTAOTP_API_KEY` by default. */
  apiKey?: string | undefined
  /**
   * The part of a request that carries the key: `header`, the header `X-API-Key` (the default);
   * `bearer`, the header `Authorization: Bearer`; or `query`, the query parameter `api_key`.
   */
  apiKeyLocation?: 'header' | 'bearer' | 'query' | undefined
  /**
   * An https address, or http to this machine only; `SASTAOTP_BASE_URL` by default, or the vendor's
   * address if that is unset.
   */
  baseUrl?: string | undefined
  /** The User-Agent header; `libsastaotp/` and the version by default. */
  userAgent?: string | undefined
  /**
   * The proxy: `environment`, `direct` or a URL. `environment` by default: the proxy of
   * `HTTPS_PROXY` or `ALL_PROXY` unless `NO_PROXY` excludes the host, read as curl reads them, and
   * none for a service on this machine. `direct` ignores the environment.
   *
   * A URL is `scheme://user:password@host:port` with the scheme `http`, `https`, `socks5` or
   * `socks5h`. The user name and password are optional and percent-encoded. With `socks5` this
   * machine looks up the name of the service, with `socks5h` the proxy does. The default port is
   * 443 for `https`, and otherwise 1080. A proxy that is set by URL is used for every service. For
   * a loopback address it connects to its own machine.
   */
  proxy?: string | undefined
  /**
   * The certificate authorities to trust: `web` (the default), those of the web, which the library
   * contains; `system`, those of the system, or of `SSL_CERT_FILE` and `SSL_CERT_DIR` if one of
   * these variables is set; or `both`.
   */
  roots?: 'web' | 'system' | 'both' | undefined
  /**
   * Certificates to trust in addition: the text of a PEM file, not its path. Each is that of an
   * authority, or of the server itself.
   */
  caPem?: string | Uint8Array | undefined
  /** The most idle connections to keep, at least 1; 64 by default. */
  maxConnections?: number | undefined
  /**
   * The most that this client may spend, in rupees; no limit by default. A purchase that could
   * exceed it is refused before it is sent; a confirmed refund is added back. With a budget, every
   * purchase needs a maximum price. Only the purchases that this client sends count: one that
   * another client or an earlier run sent does not, even if this client finds it. With a journal,
   * the purchases of all clients and processes that use it count.
   */
  budget?: Rupees | undefined
  /** The budget in millionths of a rupee. */
  budgetMicros?: number | undefined
  /**
   * How long a call may take in milliseconds, retries included; 90,000 by default. `waitForCode`,
   * `reconcile` and `settle` with `onTooEarly: 'wait'` have their own limits.
   */
  timeoutMs?: number | undefined
  /**
   * The most requests per minute; no limit by default. With or without it, the client slows down
   * after a reply with HTTP status 429.
   */
  maxRequestsPerMinute?: number | undefined
  /**
   * The most purchases in flight at once, and the most other requests in flight at once, 1 to 512;
   * 64 by default.
   */
  workers?: number | undefined
  /**
   * How long after a purchase was sent the service may still book it, in milliseconds; 600,000 by
   * default. Until then `reconcile` does not report that a search without a candidate is complete.
   */
  lateBookingMs?: number | undefined
  /**
   * How long `close` waits for the replies of purchases in flight, and how long an aborted purchase
   * keeps the process alive, in milliseconds; 10,000 by default.
   */
  endWaitMs?: number | undefined
  /**
   * Keeps a journal of the purchases in this folder, which is created if it does not exist.
   * `SASTAOTP_JOURNAL` by default, or no journal if that is unset.
   *
   * However this process ends, the next process that opens the folder with the same API key and
   * base URL has its purchases: `unclaimed` lists them, and their objects have the codes that
   * arrived. The budget is that of all these processes together, from the first purchase in the
   * journal on. Several processes can use a folder at once. All clients of an API key and a base
   * URL in a process use the same folder and durability.
   *
   * The folder contains phone numbers and codes. Those of settled orders are removed by the next
   * purchase or settlement after half a day. It never contains the API key. A journal does not
   * protect against the loss of the disk. A `JournalError` is thrown if the folder cannot be used,
   * and by a purchase that cannot be written: then nothing is sent.
   */
  journal?: string | undefined
  /**
   * The failures that the journal survives: with `power` the end of the process, however it ends,
   * and a power loss (the default); with `process` only the end of the process, which is faster.
   */
  durability?: 'power' | 'process' | undefined
  /**
   * Allows the journal on a network file system. By default it is refused there, because another
   * machine may not see the locks: two machines could then settle one order. Allow it only if a
   * single machine uses the folder.
   */
  journalOnNetwork?: boolean | undefined
}

/**
 * The highest acceptable price of a number. Exactly one of the three is required. `undefined` and
 * `null` state no price: without a price the purchase is refused.
 */
export type PriceLimit =
  | { maxPrice: Rupees; maxPriceMicros?: undefined; acceptAnyPrice?: undefined }
  | { maxPrice?: undefined; maxPriceMicros: number; acceptAnyPrice?: undefined }
  | { maxPrice?: undefined; maxPriceMicros?: undefined; acceptAnyPrice: true }

/**
 * The country of a number: a country, or any country. `undefined` and `null` state no country:
 * without one the purchase is refused.
 */
export type CountryChoice =
  | {
      /** A country code from `getCountries`, not a calling code: India is `22`. */
      country: string
      /** Sent verbatim as the parameter `operator`, beside the country. */
      operator?: string | undefined
      anyCountry?: false | undefined
    }
  | {
      country?: undefined
      /**
       * Pins the country: a code of `Service.countries`, sent verbatim as the parameter `operator`.
       * For other vendors of the protocol it is the name of a mobile operator.
       */
      operator: string
      anyCountry?: false | undefined
    }
  | {
      country?: undefined
      operator?: undefined
      /** Lets the service choose the country. */
      anyCountry: true
    }

/**
 * Several countries, or several offers with their prices. The purchase tries them in this order,
 * and moves on only if the service refused the country: it has no number there, does not sell the
 * service there, or sells it above the maximum price. Any other failure ends the call, and an
 * unknown outcome is never followed by another attempt. Each attempt has the full timeout, and the
 * budget reserves one attempt at a time. `Purchase.attempts` and `SastaotpError.attempts` list
 * them. If every country is refused, the call throws the last temporary refusal, such as
 * NO_NUMBERS, or else the last one.
 */
export type SeveralCountries =
  | ({
      /** 1 to 100 different country codes from `getCountries`. */
      countries: readonly string[]
      offers?: undefined
    } & PriceLimit)
  | {
      countries?: undefined
      /**
       * 1 to 100 different offers of `getOffers`. The maximum price of each attempt is the price of
       * its offer, or `maxPrice` if that is lower. An offer without a price needs `maxPrice`.
       */
      offers: readonly Pick<Offer, 'country' | 'operator' | 'priceMicros'>[]
      maxPrice?: Rupees | undefined
      maxPriceMicros?: number | undefined
      acceptAnyPrice?: undefined
    }

/** The options of every number. */
export interface NumberFeatures {
  /** Buys a number that can receive several codes. */
  multiSms?: boolean | undefined
  /**
   * Further parameters that the service accepts, such as `{ ref: 'my-shop', fixedPrice: 'true' }`:
   * at most 16. Every value is text. They are part of the intent. These names are refused, in any
   * letter case, because the library sets them: `action`, `api_key`, `country`, `format`, `id`,
   * `limit`, `maxPrice`, `multiSMS`, `operator`, `page`, `service`, `status`.
   */
  parameters?: Record<string, string> | undefined
}

/** The options of an intent, which is one attempt. */
export type IntentOptions = CallOptions &
  PriceLimit &
  CountryChoice &
  NumberFeatures & { countries?: undefined; offers?: undefined }

export type NumberOptions = CallOptions &
  NumberFeatures & {
    /**
     * The lowest price in rupees. Cheap numbers have often been used before. The call reads the
     * price list once. It skips a country whose listed price is below the minimum or above the
     * maximum, and a country that is not listed. Not possible with `anyCountry`.
     */
    minPrice?: Rupees | undefined
    /** The lowest price in millionths of a rupee. */
    minPriceMicros?: number | undefined
    /**
     * How long to keep trying if the service refused every country, in milliseconds; by default
     * each is tried once. The call pauses before it starts again with the first country. The pauses
     * grow from 2 to 30 seconds, and are longer if the service requests it. It does not bound the
     * call: each country is tried at least once, and each attempt has the full timeout. Bound the
     * call with `signal`.
     */
    patienceMs?: number | undefined
  } & (
    | (PriceLimit & CountryChoice & { countries?: undefined; offers?: undefined })
    | (SeveralCountries & { country?: undefined; operator?: undefined; anyCountry?: false })
  )

/** Selects offers of a service. */
export interface OfferOptions extends CallOptions {
  /** Only offers in these countries. */
  countries?: readonly string[] | undefined
  /** Only offers with at least this price, in rupees. */
  minPrice?: Rupees | undefined
  /** The lowest price in millionths of a rupee. */
  minPriceMicros?: number | undefined
  /** Only offers with at most this price, in rupees. */
  maxPrice?: Rupees | undefined
  /** The highest price in millionths of a rupee. */
  maxPriceMicros?: number | undefined
  /**
   * Only offers with at least this many numbers in stock; 0 by default. Above 0, an offer whose
   * stock the service does not report is left out.
   */
  minAvailable?: number | undefined
}

export interface CompleteOptions extends CallOptions {
  /**
   * Completes the order although no code has arrived: the price is spent. The default is false:
   * such an order is refused with a `ConfigError`.
   */
  withoutCode?: boolean | undefined
}

export interface ReconcileOptions extends CallOptions {
  /** How long to look, in milliseconds; 60,000 by default. With 0 it looks once. */
  timeoutMs?: number | undefined
}

/** Whether a purchase with an unknown outcome was made. */
export type Resolution =
  | {
      /** The purchase was not made. */
      notMade: true
      activationId?: undefined
    }
  | {
      notMade?: false | undefined
      /** The activation that the purchase bought. */
      activationId: string
    }

export interface FinishOptions extends CallOptions {
  /** How long to wait for purchases in flight, in milliseconds; 10,000 by default. */
  timeoutMs?: number | undefined
}

export interface WaitOptions extends CallOptions {
  /**
   * How long to wait in milliseconds; there is no default. The wait also ends when the order
   * expires.
   */
  timeoutMs: number
  /**
   * The pause between two polls in milliseconds; 5,000 by default. A shorter pause becomes 5,000,
   * and one of more than an hour becomes an hour.
   */
  intervalMs?: number | undefined
  /**
   * After `requestNextCode`, accepts the previous code again even if the service did not report
   * waiting in between. The default is false.
   */
  acceptSameCode?: boolean | undefined
  /**
   * Cancels the order for its refund if no code arrives in time, which takes at most 10 more
   * seconds. A code that arrives during the cancellation is returned. Otherwise the call throws the
   * error of the cancellation if that failed, or a `WaitTimeoutError` whose `hint` states whether
   * the order was cancelled. The default is false.
   */
  cancelOnTimeout?: boolean | undefined
}

export interface SettleOptions extends CallOptions {
  /**
   * If the order is too young to cancel, `'fail'` throws a `TooEarlyError`, and `'wait'` waits
   * until it may be cancelled, usually two minutes, and accepts a code that arrives meanwhile. The
   * default is `'fail'`.
   */
  onTooEarly?: 'wait' | 'fail' | undefined
}

export interface LeaseCloseOptions extends CallOptions {
  /** Like the option of `settle`, but the default is `'wait'`. */
  onTooEarly?: 'wait' | 'fail' | undefined
}

export interface OrderOptions extends CallOptions {
  /**
   * Lists only orders with this status: `pending`, `completed`, `cancelled` or `expired`. Orders of
   * every status by default.
   */
  status?: string | undefined
}

export interface OrderPageOptions extends OrderOptions {
  /** The size of a page, 1 to 100 orders; 100 by default. */
  limit?: number | undefined
  /** The number of the page, from 1; 1 by default. */
  page?: number | undefined
}

/** A result with the service's reply, or the part of the reply, that it was read from. */
export interface Reply {
  /**
   * The reply verbatim, including fields that this version does not read: as JSON.parse returns it,
   * or as text if it is not JSON.
   */
  readonly raw: unknown
}

/** An array with the service's reply that it was read from. */
export type Listing<T> = T[] & Reply

/** The services of a reply. */
export type Services = Listing<Service> & {
  /** How many services are sold in total, if the reply states it. */
  readonly total: number | null
}

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

/** A service for which numbers are sold. */
export interface Service {
  /** The code to pass to `getNumber`. */
  code: string
  name: string
  /** The URL of the logo. */
  logo: string | null
  /** The price of a number in rupees if no country is chosen. */
  price: number | null
  priceMicros: number | null
  /** The currency of the price, such as `INR`. */
  currency: string | null
  /** How many numbers are in stock. */
  available: number | null
  /** Whether a number can receive several codes. */
  multiSms: boolean | null
  /** The time from the purchase until an order expires, in milliseconds. */
  expiresInMs: number | null
  /**
   * The countries that sell the service. The live service fills this only if the request names a
   * service.
   */
  countries: Offer[]
}

/** The price and stock of a service in one country. */
export interface Offer {
  /** The code of the country, which is not its calling code. */
  country: string
  countryName: string
  /** The flag of the country, an emoji. Empty if the reply has none. */
  flag: string
  /** The code of the mobile operator or tier, if the service lists prices by operator or tier. */
  operator: string | null
  /** The price of a number in rupees. */
  price: number | null
  priceMicros: number | null
  /** How many numbers are in stock. */
  available: number | null
}

/** The price and stock of one service in one country. */
export interface Price {
  /**
   * The code of the country, which is not its calling code. The service also sends `*` and `any`.
   */
  country: string
  /** The code of the service. */
  service: string
  /** The operator that sells the number, if the reply lists operators. */
  operator: string | null
  /** The price of a number in rupees. Null if the figure in the reply is not readable. */
  price: number | null
  priceMicros: number | null
  /** How many numbers are in stock. The live service reports 999 everywhere. */
  available: number | null
}

/** A country in which numbers are sold. */
export interface Country {
  /** The code to pass to `getNumber`, which is not the calling code. */
  code: string
  /** The English name. Several countries can share a name; each code has its own prices. */
  name: string
  /** Whether the service shows the country to its users. */
  visible: boolean
}

/** An order of the history. A field that the reply lacks is null. */
export interface Order extends Reply {
  /** The id of the order, in decimal digits. A later order has a higher id. */
  orderId: string | null
  /** The id to pass to `activation`. */
  activationId: string | null
  phoneNumber: string | null
  service: string | null
  country: string | null
  /** The price that was charged, in rupees. */
  price: number | null
  priceMicros: number | null
  /**
   * `pending`, `completed`, `cancelled` (the price was refunded), `expired`, or another word of the
   * service.
   */
  status: string | null
  /** The code that was received. */
  code: string | null
  /** When the order was created, if the service sends it as seconds since 1970. */
  createdAt: Date | null
  /** When the order was created, in the service's words, which do not state a time zone. */
  createdText: string | null
}

/** One page of the order history. */
export interface OrderPage extends Reply {
  /** Newest first. */
  orders: Order[]
  /** The number of orders on all pages, if the service reports it. */
  total: number | null
  /**
   * The activation ids of the orders on this page that may be unwanted duplicates. Such an order
   * was bought in the last ten minutes and looks like a purchase of this client, but this client
   * did not make it: a proxy repeated a request, or another program uses the same key.
   */
  extraOrders: string[]
}

/** An SMS that arrived on a number. */
export interface Sms extends Reply {
  /** The code, verbatim: it can contain colons, spaces and leading zeros. */
  code: string
  text: string | null
  sender: string | null
  /** When the SMS arrived, in the service's words, which do not state a time zone. */
  receivedText: string | null
  /** Whether this order received the same code before. */
  isRepeat: boolean
}

/** The status of an activation, as the service reports it. */
export interface Status extends Reply {
  /**
   * `waiting_for_next`: waiting for the next code; `lastCode` is the previous code, not a new one.
   * `other`: a status that this version does not recognize. The order may still be open.
   */
  kind: 'waiting' | 'waiting_for_next' | 'received' | 'cancelled' | 'other'
  /** The SMS, if one arrived. */
  sms: Sms | null
  /** The previous code, if `kind` is `waiting_for_next` and the service repeats it. */
  lastCode: string | null
  /** The service's own word, if `kind` is `other`. */
  text: string | null
}

/** The effect of a status change, as the service reports it. */
export interface StatusChange extends Reply {
  /**
   * `accepted`: the service accepted the change and did not report its effect. `other`: an effect
   * that this version does not recognize.
   */
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

/** The result of settling, completing or cancelling an order. */
export interface Settlement extends Reply {
  /**
   * `completed`: the price is spent. `cancelled`: the price is refunded. `code_arrived`: a code
   * arrived before the cancellation. The order is still open: complete it. `already_over`: the
   * order had ended before the call. `kept`: the lease was kept, and nothing was sent.
   */
  state: 'completed' | 'cancelled' | 'code_arrived' | 'already_over' | 'kept'
  /** The code, if one arrived. */
  code: Sms | null
}

/** One attempt of a purchase with several countries or offers, a minimum price, or patience. */
export interface Attempt {
  /** The code of the country. Null if the service may choose it, or an operator pins it. */
  country: string | null
  /** The operator of the request: a code that pins the country, or a mobile operator. */
  operator: string | null
  /** The listed price in rupees, if a minimum price is set or the offer has a price. */
  price: number | null
  priceMicros: number | null
  /**
   * Why the purchase moved on: the error code of the refusal, such as `NO_NUMBERS`, or `skipped: `
   * and the reason if nothing was sent. Null if the attempt bought the number, or ended the call:
   * its failure is the error of the call.
   */
  refused: string | null
}

/** The reply to a purchase. */
export interface Purchase extends Reply {
  activationId: string
  orderId: string | null
  phoneNumber: string
  service: string | null
  serviceName: string | null
  country: string | null
  countryName: string | null
  /** The price that was charged, in rupees. */
  price: number | null
  priceMicros: number | null
  /** Whether the service sells more codes on this number. */
  multiSms: boolean | null
  canGetAnotherSms: boolean | null
  /** The time from the purchase until the order expires, in milliseconds. */
  expiresInMs: number | null
  /** A note from the service's operators. */
  note: string | null
  /**
   * A sentence for each oddity of the reply, such as a price above the maximum. The purchase is
   * still valid. The process emits each as a warning of the type `SastaotpWarning`.
   */
  warnings: string[]
  /**
   * The attempts of the call that bought the number, oldest first; the last one bought it. Empty
   * unless the call had several countries or offers, a minimum price, or patience. At most the
   * newest 1,000 are listed.
   */
  attempts: Attempt[]
}

/** An order that may be a purchase with an unknown outcome. */
export interface Candidate extends Order {
  /** Whether the evidence proves that the order is the purchase. */
  isOurs: boolean
  /** The evidence for and against it, a sentence each. */
  evidence: string[]
}

/** The orders in the history that may be a purchase with an unknown outcome. */
export interface Reconciliation {
  /**
   * The orders that may be the purchase, the most likely first; several if other programs buy the
   * same with this API key. An empty list means the order was not found, not that you were not
   * charged.
   */
  candidates: Candidate[]
  /**
   * Whether the history was provably read, and the service can no longer book the purchase late. If
   * it is true and there is no candidate, nothing was bought; the purchase stays listed and
   * reserved until it is resolved as not made. If it is false, the order of the purchase may be
   * missing.
   */
  complete: boolean
  /** Why the search is not complete; null if it is. */
  reason: string | null
}

/** A purchase that is not settled and that no object of this process holds. */
export interface Unclaimed {
  /** The intent of the purchase, for `reconcile`. */
  intent: Intent
  /**
   * `pending`: the reply has not arrived yet. `bought`: a number was bought. `unknown`: a number
   * may have been bought: reconcile the intent.
   */
  outcome: 'pending' | 'bought' | 'unknown'
  /** The reply, if a number was bought. A call on its `activationId` claims it. */
  purchase: Purchase | null
  /** Why the outcome is unknown. Null if it is not unknown. */
  error: SastaotpError | null
  /** The purchase, its state, and what to do, in one line for a person. */
  message: string
}

/** A lease of an ended process that `settleLeftoverLeases` settled, or tried to. */
export interface SettledLease {
  /** The purchase, as it was listed before. */
  unclaimed: Unclaimed
  /** How the order was settled. Null if that failed. */
  settlement: Settlement | null
  /** Why the order could not be settled. Null if it was settled. */
  error: SastaotpError | null
}

export interface BudgetLeft {
  /** The remaining budget in rupees; null without a budget. */
  budgetLeft: number | null
  budgetLeftMicros: number | null
}

/**
 * A prepared purchase: `Client.buy` makes it, and `Client.reconcile` looks for it.
 *
 * `Client.intend` and errors return intents. Save `JSON.stringify(intent)` before the purchase, and
 * read it with `Intent.fromJSON` after a restart. The library's other languages read it too.
 */
export class Intent {
  private constructor()
  /** Reads a saved intent. Throws a `ConfigError` if `saved` is not one. */
  static fromJSON(saved: string | object): Intent
  /** The id of the intent: 16 hexadecimal digits. An intent is sent once. */
  readonly id: string
  readonly action: 'getNumber' | 'regetNumber'
  readonly service?: string
  readonly country?: string | null
  readonly operator?: string | null
  readonly multiSms?: boolean
  /** The further parameters of the request. */
  readonly parameters?: Record<string, string>
  /** For `regetNumber`: the activation whose number is bought again. */
  readonly regetOf?: string
  readonly phoneNumber?: string | null
  /** The highest acceptable price in rupees. Null if any price was accepted, or is unknown. */
  readonly maxPrice: number | null
  readonly maxPriceMicros: number | null
  /** When the intent was created. */
  readonly startedAt: Date
  /**
   * The highest order id known before the purchase, in decimal digits; null if none was. The order
   * of the purchase has a higher id.
   */
  readonly watermark: string | null
  toJSON(): object
}

/**
 * The handle of one bought number. Each method calls the method of `Client` with the same name,
 * with this activation's id.
 *
 * If the object is garbage-collected, the order stays open: it is neither completed nor cancelled,
 * and `unclaimed` lists it unless another object holds the number.
 */
export class Activation {
  protected constructor()
  readonly id: string
  /** The number as the service wrote it; null if the client has no record of it. */
  readonly phoneNumber: string | null
  /** The price that was charged, in rupees, if the service reported it. */
  readonly price: number | null
  readonly priceMicros: number | null
  /** When the order expires, if the service reported it. */
  readonly expiresAt: Date | null
  /** The reply to the purchase; null if the client has no record of it. */
  readonly purchase: Purchase | null
  getStatus(options?: CallOptions): Promise<Status>
  setStatus(status: -1 | 1 | 3 | 6 | 8, options?: CallOptions): Promise<StatusChange>
  waitForCode(options: WaitOptions): Promise<Sms>
  markSmsSent(options?: CallOptions): Promise<void>
  requestNextCode(options?: CallOptions): Promise<void>
  complete(options?: CompleteOptions): Promise<Settlement>
  cancel(options?: CallOptions): Promise<Settlement>
  settle(options?: SettleOptions): Promise<Settlement>
  keep(options?: CallOptions): Promise<void>
  markUnclaimed(options?: CallOptions): Promise<void>
  /** **Costs money.** */
  regetNumber(options: CallOptions & PriceLimit): Promise<Activation>
}

/**
 * A number that is settled when the lease ends: the order is completed if a code arrived, and
 * cancelled for its refund if not.
 */
export class Lease extends Activation {
  /**
   * Ends the lease and settles the order: completes it if a code has arrived, otherwise cancels it
   * for the refund. A later call returns the same settlement.
   *
   * A young order cannot be cancelled, usually for two minutes. `close` waits for that time; with
   * `onTooEarly: 'fail'` it rejects with a `TooEarlyError` at once. If a code arrives while the
   * order is being cancelled, the order is completed, and the settlement contains the code.
   *
   * If settling fails and no code has arrived, rejects with the error, and `client.unclaimed()`
   * lists the number. If settling fails after a code has arrived, it does not reject: it resolves
   * to a settlement with the state `code_arrived` and the code, and the process emits a warning
   * that the order is still open.
   */
  close(options?: LeaseCloseOptions): Promise<Settlement>
  /**
   * Ends the lease at once and keeps the order open, like `Client.keep`. A later `close` does
   * nothing and returns the state `kept`.
   */
  keep(options?: CallOptions): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A client of the service. No method blocks the event loop. */
export class Client {
  constructor(options?: ClientOptions)
  /** Returns the balance of the wallet. */
  getBalance(options?: CallOptions): Promise<Balance>
  /** Returns all services, or one service with its countries. */
  getServices(options?: CallOptions & { service?: string | undefined }): Promise<Services>
  /**
   * Returns the price of each service in each country. Without options the list has about 80,000
   * rows.
   */
  getPrices(
    options?: CallOptions & { service?: string | undefined; country?: string | undefined }
  ): Promise<Listing<Price>>
  /**
   * Returns the offers of a service, cheapest first: one for each country that sells it now, and
   * for each operator if the service lists prices by operator. Of equal prices, the one with more
   * numbers in stock is first. Reads the replies of getServicesList and getPrices. If they disagree
   * about an offer, it has the higher price and the smaller stock. An offer without a price or with
   * no number in stock is left out. Pass offers to `getNumber` to buy one of them.
   */
  getOffers(service: string, options?: OfferOptions): Promise<Offer[]>
  /** Returns the first offer of `getOffers`, or null if there is none. */
  cheapestOffer(service: string, options?: OfferOptions): Promise<Offer | null>
  /** Returns the countries with their codes, which are not calling codes. */
  getCountries(options?: CallOptions): Promise<Listing<Country>>
  /** Returns the countries with this English name, in any letter case. */
  findCountry(name: string, options?: CallOptions): Promise<Listing<Country>>
  /** Returns one page of the order history, newest first. */
  getOrders(options?: OrderPageOptions): Promise<OrderPage>
  /** Iterates over the order history, newest first. Fetches each page when it is reached. */
  orders(options?: OrderOptions): AsyncGenerator<Order, void, undefined>
  /**
   * Buys a number. **Costs money.** The request is sent once, and again only if it is proved that
   * no byte of it left.
   *
   * If it throws an `OutcomeUnknownError`, the number may have been bought: call `reconcile` with
   * the error's `intent` before you buy again.
   *
   * `service` is the code of the service, such as `tg`.
   */
  getNumber(service: string, options: NumberOptions): Promise<Activation>
  /**
   * Buys a number, like `getNumber`, and settles its order when the lease ends. **Costs money.**
   * End the lease with `close` in a `finally` block, or with `await using`.
   */
  lease(service: string, options: NumberOptions): Promise<Lease>
  /**
   * Prepares a purchase for `buy`, for programs that may be killed. Buys nothing.
   *
   * If you save the intent before you call `buy`, then `reconcile` can find the purchase even after
   * a crash. If the client has no order id yet, it requests the newest order: the order of the
   * purchase has a higher id. An intent is one attempt: it has no list of countries.
   */
  intend(service: string, options: IntentOptions): Promise<Intent>
  /**
   * Makes a prepared purchase. **Costs money.** Throws the same errors as `getNumber`.
   *
   * An intent is sent once: a second call throws an `AlreadySentError`. An intent that an earlier
   * run saved is looked up in the order history first. The call throws in the same way, and names
   * the candidates, unless the search is complete and found none. That takes ten minutes, or
   * `lateBookingMs`, from the first search of this process, because the earlier run may have sent
   * the request at its end.
   */
  buy(intent: Intent, options?: CallOptions): Promise<Activation>
  /**
   * Buys the number of a completed activation again. **Costs money.** Throws the same errors as
   * `getNumber`.
   *
   * The service accepts no maximum for this action. If the price of the activation is known and is
   * above the limit, throws a `PriceTooHighError`, and nothing is sent. Otherwise a warning reports
   * a price above the limit.
   */
  regetNumber(id: string, options: CallOptions & PriceLimit): Promise<Activation>
  /**
   * Claims the activation with this id, which can be from an earlier run, from the history or from
   * `unclaimed`, which does not list it as long as the object exists. Sends nothing. The object has
   * the phone number and the price if the client knows them.
   */
  activation(id: string, options?: CallOptions): Promise<Activation>
  /** Returns the status of an activation. */
  getStatus(id: string, options?: CallOptions): Promise<Status>
  /**
   * Changes the status of an activation: 8 cancels, as does the older value -1, 1 reports that the
   * SMS was sent, 3 requests the next code, and 6 completes.
   */
  setStatus(id: string, status: -1 | 1 | 3 | 6 | 8, options?: CallOptions): Promise<StatusChange>
  /**
   * Waits for a code and returns it. Polls every 5 seconds, and once more at the end. A code that
   * arrived earlier is returned at once. Transient failures do not end the wait.
   *
   * Throws a `WaitTimeoutError` if no code arrives in time, an `ExpiredError` if the order expires
   * and an `ActivationCancelledError` if it is cancelled. Without `cancelOnTimeout`, a wait that
   * times out or is aborted does not change the order: you can wait again.
   */
  waitForCode(id: string, options: WaitOptions): Promise<Sms>
  /**
   * Reports to the service that the SMS was sent to the number. The request is never repeated: no
   * status shows whether it took effect. Throws an `ActivationCancelledError` if the service
   * answers that the order is cancelled.
   */
  markSmsSent(id: string, options?: CallOptions): Promise<void>
  /**
   * Requests another code on the same number. The next `waitForCode` does not return the previous
   * code. Throws an `ActivationCancelledError` if the service answers that the order is cancelled.
   */
  requestNextCode(id: string, options?: CallOptions): Promise<void>
  /**
   * Completes an order after you have used its code. Check `state`: the service may report that it
   * cancelled the order instead. Without a code, it polls once, unless a poll was answered in the
   * last 5 seconds, and throws a `ConfigError` if there is none: use `withoutCode`.
   */
  complete(id: string, options?: CompleteOptions): Promise<Settlement>
  /**
   * Cancels an order for its refund, unless a code arrives first. If a code arrived first, the
   * order stays open: the settlement has the state `code_arrived` and, if the service shows it, the
   * code.
   */
  cancel(id: string, options?: CallOptions): Promise<Settlement>
  /**
   * Completes an order if a code arrived; otherwise cancels it for its refund. Throws if a code
   * arrived that cannot be read: the order then stays open.
   */
  settle(id: string, options?: SettleOptions): Promise<Settlement>
  /**
   * Keeps an open number: `unclaimed` does not list it, and no report at the end names it. Sends
   * nothing.
   */
  keep(id: string, options?: CallOptions): Promise<void>
  /**
   * Lists a number in `unclaimed` until `activation` claims it, for a program that stops using it
   * without settling it. Sends nothing. An operation on it that is open holds it until its end. It
   * has no effect on a number of whose purchase the client has no record.
   */
  markUnclaimed(id: string, options?: CallOptions): Promise<void>
  /**
   * Looks in the order history for a purchase with an unknown outcome, for 60 seconds by default.
   * Returns earlier if the evidence proves that an order is the purchase, or if the search is
   * complete.
   *
   * If no order is found, or the evidence is not enough, the purchase stays unknown, and
   * `unclaimed` lists it: call `reconcile` again later, or `resolve`. A failed search throws an
   * `OutcomeUnknownError`.
   *
   * An order of another purchase of this process is not a candidate. It claims nothing: call
   * `activation(id)` to claim a candidate. If there are several, call `resolve` first.
   * The claim of the only candidate resolves the purchase, unless the search ended less than 60
   * seconds after the reply was lost and was not complete. Then the maximum stays reserved, and a
   * refund of that order makes the purchase unknown again: call `resolve` as well if you know that
   * the order is yours.
   */
  reconcile(intent: Intent, options?: ReconcileOptions): Promise<Reconciliation>
  /**
   * Resolves a purchase with an unknown outcome: it was not made, or it bought this activation.
   * Sends nothing. If a client of this process sent the purchase, its reservation returns to that
   * client's budget, or the price of the order takes its place.
   *
   * The id is not checked: take it from a candidate or from the service's order history. A wrong
   * answer can be corrected by calling `resolve` again until the order has a code or has ended.
   *
   * Throws a `ConfigError` if the reply may still arrive, if the answer is known to be wrong, or if
   * another purchase bought that activation.
   */
  resolve(intent: Intent, resolution: Resolution & CallOptions): Promise<void>
  /**
   * Settles the leases in the client's journal whose processes ended before they settled them.
   * Without a journal there are none. Each is settled like `settle`, and its settlement or its
   * error is returned. A lease that could not be settled stays in `unclaimed`. With
   * `onTooEarly: 'wait'` the leases wait at the same time; the default is `'fail'`.
   */
  settleLeftoverLeases(options?: SettleOptions): Promise<SettledLease[]>
  /**
   * Returns every purchase of this API key that is not settled, kept or resolved, and that no
   * object or running call of this process holds. Sends nothing.
   *
   * That is a purchase that was aborted, one with an unknown outcome, a number whose lease could
   * not be settled, and one whose `Activation` was garbage-collected. A call with an id holds the
   * number only while it runs. A failed call removes nothing.
   */
  unclaimed(options?: CallOptions): Promise<Unclaimed[]>
  /**
   * Waits for the replies of this client's purchases in flight. Then returns each purchase of this
   * client that is not settled or kept, even if an object holds it, and each unclaimed one of the
   * same API key.
   */
  finish(options?: FinishOptions): Promise<Unclaimed[]>
  /** Returns the remaining budget. Sends nothing. */
  budgetLeft(options?: CallOptions): Promise<BudgetLeft>
  /**
   * Cancels pending calls and closes the client. Waits for the replies of purchases in flight, up
   * to `endWaitMs`. Then writes one line to stderr for each purchase that is not settled or kept,
   * and returns these purchases. It never rejects.
   *
   * Its leases still settle when they end, and so do numbers that are being bought for leases; if
   * one of them cannot be settled, the process emits a warning. A client that is not closed reports
   * its purchases at the end of the program.
   */
  close(): Promise<Unclaimed[]>
  /** Calls `close`, and does not wait for it. The process stays alive until it is done. */
  [Symbol.dispose](): void
  [Symbol.asyncDispose](): Promise<void>
}

/** A failed call. Branch on its class or its fields. No field contains the API key. */
export class SastaotpError extends Error {
  /**
   * The kind of failure. For an `OutcomeUnknownError` it is the kind of the failure that left the
   * outcome unknown. A later version may add kinds.
   */
  readonly kind:
    | 'config'
    | 'budget'
    | 'already_sent'
    | 'journal'
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
  /**
   * The service's own error code, such as `NO_BALANCE`, if it sent one; `ABORT_ERR` for an
   * `AbortError`.
   */
  readonly code: string | null
  /** The HTTP status, if a reply arrived. */
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
  /**
   * Whether to repeat the same call. `never`: not as it is; something else has to change first,
   * such as the stock or an argument. `after`: after a pause of `retryAfterMs`. `after_reconcile`:
   * after `reconcile` has shown the outcome of the purchase.
   */
  readonly retry: 'never' | 'after' | 'after_reconcile'
  /** The pause before a retry in milliseconds, if `retry` is `after`. */
  readonly retryAfterMs: number | null
  /** The name of the fault, such as `reply_lost`, if the failure is a known fault. */
  readonly fault: string | null
  /** The purchase that failed, if the call was a purchase. */
  readonly intent: Intent | null
  /**
   * The attempts of the call, oldest first, at most the newest 1,000. Empty unless it was a
   * purchase with several countries or offers, a minimum price, or patience.
   */
  readonly attempts: Attempt[]
  /** The advice at the end of the message; may be empty. */
  readonly hint: string
  /** The first 4,096 characters of the reply, verbatim, if a reply caused the failure. */
  readonly raw: string | null
  toJSON(): object
}

/**
 * An argument or an option is invalid, and nothing was sent. `complete` also throws it if no code
 * has arrived: it sends at most one poll.
 */
export class ConfigError extends SastaotpError {}
/** The client's budget does not cover the purchase. Nothing was sent. */
export class BudgetError extends SastaotpError {}
/**
 * The intent was sent before, and nothing was sent now: an intent is sent once. The message names
 * the activation that the first call bought. If the outcome of the first call is unknown, or its
 * reply may still arrive, the error is also an `OutcomeUnknownError`.
 */
export class AlreadySentError extends SastaotpError {}
/**
 * The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent.
 * Repair the disk or the folder, then try again.
 */
export class JournalError extends SastaotpError {}
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
/** The activation does not exist for this API key. */
export class NotFoundError extends ApiError {}
/** The order has already ended. */
export class AlreadyFinishedError extends ApiError {}
/** The order is too young to cancel; `retryAfterMs` is the time to wait in milliseconds. */
export class TooEarlyError extends ApiError {}
/** The service rejected the request for another reason: see `code`. */
export class RejectedError extends ApiError {}
/** The service or its provider failed. */
export class ServerError extends ApiError {}
/** Too many requests. */
export class RateLimitError extends ApiError {}
/** A firewall in front of the service refused the request. */
export class BlockedError extends SastaotpError {}
/** The reply is incomplete, or not a reply of the service. */
export class ProtocolError extends SastaotpError {}
/** The connection failed or broke. */
export class ConnectionFailedError extends SastaotpError {}
/** The TLS handshake failed, or the server's certificate was not accepted. */
export class TlsError extends ConnectionFailedError {}
/** The call did not finish in time. */
export class CallTimeoutError extends SastaotpError {}
/** No code arrived in time. The order is still open, unless `cancelOnTimeout` cancelled it. */
export class WaitTimeoutError extends SastaotpError {}
/** The order expired without a code. */
export class ExpiredError extends SastaotpError {}
/** The service, or another program with the same API key, cancelled the order. */
export class ActivationCancelledError extends SastaotpError {}
/**
 * The call was aborted by its signal, whose reason is `cause`, or by `client.close()`. Its `code`
 * is `ABORT_ERR`. An aborted purchase that may have been made throws an `OutcomeUnknownError`.
 */
export class AbortError extends SastaotpError {}
/** A bug in this library. The call may have taken effect: check before you repeat it. */
export class InternalError extends SastaotpError {}
/**
 * A purchase failed and may still have been made. Do not repeat it: call `client.reconcile` with
 * `error.intent` first. If it was aborted, `kind` is `cancelled`, and `cause` is the signal's
 * reason.
 *
 * Every error whose charge is unknown has this class, and the class extends only `SastaotpError`,
 * so code that retries other errors never repeats this purchase.
 */
export class OutcomeUnknownError extends SastaotpError {
  readonly charge: 'unknown'
  /** The purchase that may have been made. */
  readonly intent: Intent
}
