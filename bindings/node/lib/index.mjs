// The exports of `import 'sastaotp'`: the same objects as for `require`.

import sastaotp from './index.js'

export const {
  AbortError,
  Activation,
  ActivationCancelledError,
  AlreadyFinishedError,
  AlreadySentError,
  ApiError,
  AuthenticationError,
  BlockedError,
  BudgetError,
  Client,
  ConfigError,
  ConnectionError,
  ExpiredError,
  InsufficientBalanceError,
  Intent,
  InternalError,
  JournalError,
  Lease,
  NoNumbersError,
  NotFoundError,
  OutcomeUnknownError,
  PriceTooHighError,
  ProtocolError,
  RateLimitError,
  SastaotpError,
  ServerError,
  ServiceUnavailableError,
  TimeoutError,
  TlsError,
  TooEarlyError,
  WaitTimeoutError
} = sastaotp
