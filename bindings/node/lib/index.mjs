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
  CallTimeoutError,
  Client,
  ConfigError,
  ConnectionFailedError,
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
  RejectedError,
  SastaotpError,
  ServerError,
  ServiceUnavailableError,
  TlsError,
  TooEarlyError,
  WaitTimeoutError
} = sastaotp
