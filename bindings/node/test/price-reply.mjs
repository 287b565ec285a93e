// A reply of getPrices that is as large as the live one.

const COUNTRIES = 190
const SERVICES = 430
export const PRICE_COUNT = COUNTRIES * SERVICES

/** Returns 2.6 million characters of JSON with 81,700 prices, the same in each call. */
export function priceReply() {
  let seed = 1
  const random = (below) => {
    seed = (seed * 48271) % 2147483647
    return seed % below
  }
  const data = {}
  for (let country = 0; country < COUNTRIES; country++) {
    const services = {}
    for (let service = 0; service < SERVICES; service++) {
      const code = (36 + service).toString(36)
      services[code] = { cost: (500 + random(30000)) / 100, count: 999 }
    }
    data[country] = services
  }
  return JSON.stringify({ status: 'OK', data })
}
