// Errors: one class for each status of the core, and the facts that they carry.

const { Intent } = require('./intent.js')
const { camel, parse } = require('./json.js')

/** What the platform calls a cancellation. */
const ABORTED = 'ABORT_ERR'

/** A failed call. Decide by its facts; the message is for people. */
class SastaotpError extends Error {
  constructor(message, { cause, ...facts } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = facts.status ?? 'config'
    this.code = facts.code ?? null
    this.httpStatus = facts.httpStatus ?? null
    this.phase = facts.phase ?? 'prepare'
    this.charge = facts.charge ?? 'not_charged'
    this.retry = facts.retry ?? 'never'
    this.retryAfterMs = facts.retryAfterMs ?? null
    this.fault = facts.fault ?? null
    this.intent = facts.intent ?? null
    this.hint = facts.hint ?? ''
    this.raw = facts.raw ?? null
  }

  toJSON() {
    return { name: this.name, message: this.message, ...this }
  }
}

class ConfigError extends SastaotpError {}
class BudgetError extends SastaotpError {}

class ApiError extends SastaotpError {}
class AuthenticationError extends ApiError {}
class InsufficientBalanceError extends ApiError {}
class NoNumbersError extends ApiError {}
class PriceTooHighError extends ApiError {}
class ServiceUnavailableError extends ApiError {}
class NotFoundError extends ApiError {}
class AlreadyFinishedError extends ApiError {}
class TooEarlyError extends ApiError {}
class ServerError extends ApiError {}
class RateLimitError extends ApiError {}

class BlockedError extends SastaotpError {}
class ProtocolError extends SastaotpError {}
class ConnectionError extends SastaotpError {}
class TlsError extends ConnectionError {}
class TimeoutError extends SastaotpError {}
class WaitTimeoutError extends SastaotpError {}
class ExpiredError extends SastaotpError {}
class ActivationCancelledError extends SastaotpError {}
class InternalError extends SastaotpError {}

/** Cancelled by its signal. Name and code are the platform's, and `cause` is the signal's reason. */
class AbortError extends SastaotpError {
  constructor(message, facts) {
    super(message, { ...facts, status: 'cancelled' })
    this.code = ABORTED
  }
}

/** The purchase may have been made: reconcile `intent`, and do not buy again before. */
class OutcomeUnknownError extends SastaotpError {}

/** Every status of the core, and what it is thrown as. */
const CLASSES = {
  config: ConfigError,
  budget: BudgetError,
  authentication: AuthenticationError,
  insufficient_balance: InsufficientBalanceError,
  no_numbers: NoNumbersError,
  price_too_high: PriceTooHighError,
  service_unavailable: ServiceUnavailableError,
  not_found: NotFoundError,
  already_finished: AlreadyFinishedError,
  too_early: TooEarlyError,
  rejected: ApiError,
  server: ServerError,
  rate_limited: RateLimitError,
  blocked: BlockedError,
  protocol: ProtocolError,
  connection: ConnectionError,
  tls: TlsError,
  timeout: TimeoutError,
  cancelled: AbortError,
  wait_timeout: WaitTimeoutError,
  expired: ExpiredError,
  activation_cancelled: ActivationCancelledError,
  internal: InternalError
}

const classes = Object.fromEntries(
  [...new Set([...Object.values(CLASSES), SastaotpError, OutcomeUnknownError])].map((each) => [
    each.name,
    each
  ])
)
const rename = (error, value) =>
  Object.defineProperty(error, 'name', { value, configurable: true, writable: true })
for (const each of Object.values(classes)) rename(each.prototype, each.name)

/** What the core's sentences call by names that are others here. */
const NAMES = [
  ['call max_price, or accept_any_price to pay', 'give maxPrice, or acceptAnyPrice: true to pay'],
  [/\bget_(services|prices|orders|status)\b/g, camel],
  [/(?<=^reading an operation: .*)`([a-z_]+)`/g, (_, name) => `\`${camel(name)}\``],
  ['this operation has `op`, ', 'there are '],
  ['this operation has `op`', 'there are none']
]
const named = (sentence) =>
  NAMES.reduce((text, [theirs, ours]) => text.replace(theirs, ours), sentence)

/** A message with the names of here. What it says of a reply stays as it came; the hint is at its end. */
function messageOf(kind, message, hint) {
  if (kind === 'config' || kind === 'budget') return named(message)
  return message.slice(0, message.length - hint.length) + named(hint)
}

/** The error of the core's JSON, or of its text. `cause` is the reason of the signal, of a call that it ended. */
function errorOf(json, cause) {
  const {
    kind,
    message: sentence,
    hint,
    intent,
    ...rest
  } = typeof json === 'string' ? parse(json) : json
  const facts = {
    status: kind,
    intent: intent && new Intent(intent),
    cause: kind === 'cancelled' ? cause : undefined
  }
  for (const [name, value] of Object.entries(rest)) facts[camel(name)] = value
  facts.hint = named(hint)
  const message = messageOf(kind, sentence, hint)
  if (facts.charge === 'unknown') {
    const error = new OutcomeUnknownError(message, facts)
    // Whoever looks for a cancellation as the platform names it finds this one too.
    if (kind === 'cancelled') rename(Object.assign(error, { code: ABORTED }), AbortError.name)
    return error
  }
  return new (CLASSES[kind] ?? (facts.code ? ApiError : SastaotpError))(message, facts)
}

module.exports = { CLASSES, classes, errorOf, ...classes }
