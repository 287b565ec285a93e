// The warnings of purchases, as warnings of the process.

const TYPE = 'SastaotpWarning'
/** The most purchases that are remembered, so that each warns once. */
const MAX_WARNED = 10_000

const warned = new Set()

const warn = (message) => process.emitWarning(message, TYPE)

/** Emits the warnings of a purchase, once per purchase. `isNew`: it was bought just now. */
function warnOfPurchase({ activationId, orderId, phoneNumber, warnings }, isNew) {
  if (warnings.length === 0) return
  const key = JSON.stringify([activationId, orderId, phoneNumber])
  if (warned.has(key) && !isNew) return
  if (warned.size >= MAX_WARNED) warned.delete(warned.values().next().value)
  warned.add(key)
  for (const warning of warnings) warn(`activation ${activationId} (${phoneNumber}): ${warning}`)
}

module.exports = { warn, warnOfPurchase }
