// The error classes, and the class of each error kind of the core.

const { camelCase, convert } = require('./convert.js')

/** The `code` that Node gives to an aborted operation. */
const ABORT_CODE = 'ABORT_ERR'

/** A failed call. Branch on its class or its fields, not on its message. */
class SastaotpError extends Error {
  constructor(message, { cause, ...fields } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = fields.kind ?? 'config'
    this.code = fields.code ?? null
    this.httpStatus = fields.httpStatus ?? null
    this.phase = fields.phase ?? 'prepare'
    this.charge = fields.charge ?? 'not_charged'
    this.retry = fields.retry ?? 'never'
    this.retryAfterMs = fields.retryAfterMs ?? null
    this.fault = fields.fault ?? null
    this.intent = fields.intent ?? null
    this.attempts = fields.attempts ?? []
    this.hint = fields.hint ?? ''
    this.raw = fields.raw ?? null
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
class RejectedError extends ApiError {}
class ServerError extends ApiError {}
class RateLimitError extends ApiError {}

class BlockedError extends SastaotpError {}
class ProtocolError extends SastaotpError {}
class ConnectionFailedError extends SastaotpError {}
class TlsError extends ConnectionFailedError {}
class CallTimeoutError extends SastaotpError {}
class WaitTimeoutError extends SastaotpError {}
class ExpiredError extends SastaotpError {}
class ActivationCancelledError extends SastaotpError {}
class InternalError extends SastaotpError {}

/** The journal cannot be written or read, so the purchase could be forgotten. Nothing was sent. */
class JournalError extends SastaotpError {}

/** The intent was sent before. With an unknown outcome it is also an OutcomeUnknownError. */
class AlreadySentError extends SastaotpError {}
Object.defineProperty(AlreadySentError, Symbol.hasInstance, {
  value: (error) => error instanceof SastaotpError && error.kind === 'already_sent'
})

/**
 * The call was aborted. Name and code are Node's own, and `cause` is the signal's reason. An
 * aborted purchase that may have been made is an OutcomeUnknownError instead: programs ignore
 * AbortErrors.
 */
class AbortError extends SastaotpError {
  constructor(message, fields) {
    super(message, { ...fields, kind: 'cancelled' })
    this.code = ABORT_CODE
  }
}

/** The purchase may have been made: reconcile `intent` before you buy again. */
class OutcomeUnknownError extends SastaotpError {}

/** The class of each error kind of the core. */
const CLASS_OF_KIND = {
  config: ConfigError,
  budget: BudgetError,
  already_sent: AlreadySentError,
  journal: JournalError,
  cancelled: AbortError,
  authentication: AuthenticationError,
  insufficient_balance: InsufficientBalanceError,
  no_numbers: NoNumbersError,
  price_too_high: PriceTooHighError,
  service_unavailable: ServiceUnavailableError,
  not_found: NotFoundError,
  already_finished: AlreadyFinishedError,
  too_early: TooEarlyError,
  rejected: RejectedError,
  rate_limited: RateLimitError,
  blocked: BlockedError,
  server: ServerError,
  protocol: ProtocolError,
  connection: ConnectionFailedError,
  tls: TlsError,
  timeout: CallTimeoutError,
  wait_timeout: WaitTimeoutError,
  expired: ExpiredError,
  activation_cancelled: ActivationCancelledError,
  internal: InternalError
}

/** The classes by name. A minified program has other names in its code. */
const classes = {
  SastaotpError,
  ConfigError,
  BudgetError,
  AlreadySentError,
  JournalError,
  AbortError,
  ApiError,
  AuthenticationError,
  InsufficientBalanceError,
  NoNumbersError,
  PriceTooHighError,
  ServiceUnavailableError,
  NotFoundError,
  AlreadyFinishedError,
  TooEarlyError,
  RejectedError,
  RateLimitError,
  ServerError,
  BlockedError,
  ProtocolError,
  ConnectionFailedError,
  TlsError,
  CallTimeoutError,
  WaitTimeoutError,
  ExpiredError,
  ActivationCancelledError,
  InternalError,
  OutcomeUnknownError
}

for (const [name, errorClass] of Object.entries(classes)) {
  Object.defineProperty(errorClass, 'name', { value: name, configurable: true })
  Object.defineProperty(errorClass.prototype, 'name', {
    value: name,
    configurable: true,
    writable: true
  })
}

/** The names in the core's advice. A name within an address does not count. */
const NAMES = /(?<![\w./?&=-])(ca_pem|find_country|get_[a-z]+)(?![\w/?&=-])/g

/** Converts the names in a text of the core from snake case to camel case. */
const withMethodNames = (text) => text.replace(NAMES, (_, name) => camelCase(name))

/** The core's advice that names no option, and the advice that replaces it. */
const ADVICE = {
  'explicitly accept any country': 'pass anyCountry: true',
  'explicitly accept any price': 'pass acceptAnyPrice: true',
  'set a maximum price': 'set maxPrice'
}

/** Names the options in advice of the core. */
const withAdvice = (text) =>
  Object.entries(ADVICE).reduce((result, [advice, named]) => result.replace(advice, named), text)

/** Converts the names in a message of the core, but not in the reply that it may quote. */
function withOptionNames(message, kind, hint) {
  if (message.startsWith('reading an operation: ')) {
    return message.replace(/`(\w+)`/g, (_, name) => `\`${camelCase(name)}\``)
  }
  if (kind === 'config') return withAdvice(withMethodNames(message))
  if (kind === 'budget') return withAdvice(message)
  return hint && message.endsWith(hint)
    ? message.slice(0, -hint.length) + withMethodNames(hint)
    : message
}

/**
 * Creates the error for an error of the core's JSON. `intent` is its Intent, `reason` the reason of
 * the call's AbortSignal.
 */
function createError({ kind, message, ...rest }, { intent, reason } = {}) {
  const fields = { kind, cause: kind === 'cancelled' ? reason : undefined }
  for (const [name, value] of Object.entries(rest)) fields[camelCase(name)] = value
  fields.intent = intent
  fields.attempts = convert(fields.attempts ?? [])
  const text = withOptionNames(message, kind, fields.hint)
  if (fields.hint) fields.hint = withMethodNames(fields.hint)
  if (fields.charge === 'unknown') return new OutcomeUnknownError(text, fields)
  const ErrorClass = CLASS_OF_KIND[kind] ?? (fields.code ? ApiError : SastaotpError)
  return new ErrorClass(text, fields)
}

module.exports = { CLASS_OF_KIND, classes, createError, ...classes }
