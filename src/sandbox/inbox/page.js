// The page: keeps what the sandbox tells it, draws it once a frame, and makes the calls of its buttons.

const $ = (id) => document.getElementById(id)
const element = (tag, className, ...children) => {
  const node = document.createElement(tag)
  if (className) node.className = className
  node.append(...children)
  return node
}
/** Sets a text only where it differs: the layout of what stays as it is costs nothing. */
const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

/** How much the page keeps; the sandbox itself keeps less of the log. */
const MOST = { lines: 10_000, ended: 100, entries: 200 }
const API = `${location.origin}/stubs/handler_api.php`
const KNOWN = JSON.parse($('known').textContent)

// What was told.

let state
const clear = () => {
  state = {
    namespace: 0,
    orders: new Map(),
    ledger: [],
    lines: [],
    logged: 0,
    rules: [],
    wallet: null,
    clock: null
  }
}
clear()
/** What is to be drawn in the next frame. */
const dirty = new Set()
const draw = (...parts) => {
  if (dirty.size === 0) requestAnimationFrame(drawAll)
  for (const part of parts) dirty.add(part)
}

function take(news) {
  if (news.namespaces) {
    state.names = news.namespaces
    draw('names')
  }
  if (news.namespace || news.gone) {
    const { names } = state
    clear()
    Object.assign(state, { names, namespace: news.namespace ?? 0 })
    draw('names', 'orders', 'wallet', 'ledger', 'faults', 'log')
  }
  for (const order of news.orders ?? []) {
    state.orders.set(order.at, { ...order, key: order.at })
    draw('orders')
  }
  if (news.wallet) {
    state.wallet = news.wallet
    draw('wallet')
  }
  if (news.ledger) {
    state.ledger = [...news.ledger.reverse(), ...state.ledger].slice(0, MOST.entries)
    draw('ledger')
  }
  if (news.faults) {
    state.rules = news.faults
    draw('faults')
  }
  if (news.clock) {
    state.clock = { ...news.clock, at: performance.now() }
    draw('clock')
  }
  if (news.log) {
    const first = news.logged - news.log.length
    // Newest last, so that many may come at little cost.
    news.log.forEach((line, at) => state.lines.push({ ...line, key: first + at }))
    if (state.lines.length > MOST.lines) state.lines.splice(0, state.lines.length - MOST.lines)
    state.logged = news.logged
    draw('log')
  }
}

/** The time in the namespace. */
const now = () =>
  state.clock ? state.clock.now_ms + (performance.now() - state.clock.at) * state.clock.speed : 0
/** A clock may be set beyond what a date can be. */
const date = (ms) => new Date(Math.min(ms, 8.64e15)).toISOString().slice(0, -5).replace('T', ' ')
const time = (ms) => date(ms).slice(-8)
const left = (order) => {
  const seconds = Math.max(0, Math.ceil((order.expires_ms - now()) / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

// Calls.

async function call(name, body, done) {
  if (!state.namespace) return say('No key was used yet: make a request first.', true)
  try {
    const reply = await fetch(`/_inbox/${name}?namespace=${state.namespace}`, {
      method: 'POST',
      headers: { 'X-Sandbox-Token': document.body.dataset.token },
      body: JSON.stringify(body)
    })
    const answer = await reply.text()
    if (!reply.ok) throw new Error(answer.startsWith('{') ? JSON.parse(answer).error : answer)
    say(done, false)
  } catch (error) {
    say(error instanceof TypeError ? 'The sandbox does not answer.' : error.message, true)
  }
}

let saying
function say(text, wrong) {
  $('said').hidden = !text
  put($('said'), text ?? '')
  $('said').classList.toggle('wrong', wrong)
  clearTimeout(saying)
  saying = setTimeout(() => ($('said').hidden = true), wrong ? 10_000 : 3_000)
}

let source
function connect(namespace) {
  source?.close()
  source = new EventSource(`/_inbox/events?namespace=${namespace}`)
  const mine = source
  source.onopen = () => live('live', '')
  source.onmessage = ({ data }) => take(JSON.parse(data))
  source.onerror = async () => {
    live('not connected', 'off')
    if (mine.readyState !== EventSource.CLOSED) return
    // It is refused: ask why, and try again.
    setTimeout(() => mine === source && connect(state.namespace), 5_000)
    const abort = new AbortController()
    const reply = await fetch(mine.url, { signal: abort.signal }).catch(() => null)
    if (reply && !reply.ok) say(await reply.text(), true)
    abort.abort()
  }
}
const live = (text, className) => {
  put($('live'), text)
  $('live').className = `live ${className}`
}

// Drawing.

const drawers = {
  names: drawNames,
  orders: drawOrders,
  wallet: drawWallet,
  ledger: drawLedger,
  clock: drawClock,
  faults: drawFaults,
  log: drawLog
}
function drawAll() {
  const parts = [...dirty]
  dirty.clear()
  for (const part of parts) drawers[part]()
}

function drawNames() {
  // A list that is open must not change under the eyes.
  if (document.activeElement === $('namespaces') && state.namespace) return
  const recent = state.names?.recent ?? []
  const shown =
    state.namespace && !recent.includes(state.namespace) ? [...recent, state.namespace] : recent
  const options = shown.map((number) => {
    const option = new Option(`namespace ${number}`, number)
    option.selected = number === state.namespace
    return option
  })
  const more = (state.names?.total ?? 0) - shown.length
  if (more > 0) options.push(Object.assign(new Option(`and ${more} older`), { disabled: true }))
  if (options.length) $('namespaces').replaceChildren(...options)
}
$('namespaces').onchange = ({ target }) => connect(target.value)
$('namespaces').onblur = () => draw('names')

// The words of a row's state, and its colour.
function words(order) {
  if (order.state !== 'pending')
    return [order.code ? `${order.state} ${order.code}` : order.state, order.state]
  if (order.code === null) return ['waiting', 'pending']
  return order.waiting
    ? [`waiting after ${order.code}`, 'pending']
    : [`code ${order.code}`, 'received']
}

const numbers = new List(
  $('numbers-window'),
  () => {
    const row = element('li', 'number')
    const button = (act, label, text) => {
      const node = element('button', '', text)
      node.type = 'button'
      Object.assign(node.dataset, { act, label })
      return node
    }
    row.append(
      element('b', 'phone'),
      element('span', 'service'),
      element('span', 'price right'),
      element('span', 'state'),
      element('span', 'left right'),
      element(
        'span',
        'acts',
        button('sms', 'Deliver SMS to', 'SMS…'),
        button('expire', 'Expire', 'Expire'),
        button('provider_cancel', 'Cancel as the provider:', 'Cancel')
      )
    )
    return row
  },
  (row, order) => {
    const [phone, service, price, condition, until, acts] = row.children
    const [text, className] = words(order)
    put(phone, order.phone)
    phone.title = order.phone
    put(service, `${order.service} · ${order.country}`)
    put(price, `₹${order.price}`)
    put(condition, text)
    condition.title = order.text ?? ''
    row.dataset.state = className
    row.dataset.at = order.at
    put(until, order.state === 'pending' ? left(order) : '')
    acts.hidden = order.state !== 'pending'
    for (const button of acts.children)
      button.setAttribute('aria-label', `${button.dataset.label} ${order.phone}`)
  }
)

function drawOrders() {
  const [pending, ended] = [[], []]
  for (const order of state.orders.values())
    (order.state === 'pending' ? pending : ended).push(order)
  const newest = (one, other) => other.at - one.at
  ended.sort(newest)
  for (const { at } of ended.splice(MOST.ended)) state.orders.delete(at)
  numbers.show([...pending.sort(newest), ...ended])
  put($('numbers-count'), `${pending.length} active`)
  $('empty').hidden = pending.length + ended.length > 0
  $('numbers-window').hidden = !$('empty').hidden
}

$('numbers-window').addEventListener('click', ({ target }) => {
  const { act } = target.closest('button')?.dataset ?? {}
  if (!act) return
  const order = state.orders.get(Number(target.closest('li').dataset.at))
  if (act === 'sms') openSms(order)
  else
    call(
      act,
      { id: order.id },
      act === 'expire' ? `${order.phone} expired.` : `The provider cancelled ${order.phone}.`
    )
})

function drawWallet() {
  const { wallet } = state
  if (!wallet) return
  put($('balance'), wallet.balance)
  const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`
  put(
    $('sums'),
    `Opened with ${wallet.opening}; ${plural(wallet.charges, 'charge')} of ${wallet.charged}, ${plural(wallet.refunds, 'refund')} of ${wallet.refunded}.`
  )
  put($('ledger-count'), String(wallet.charges + wallet.refunds))
}
function drawLedger() {
  const cell = (text, className) => element('td', className, String(text))
  const row = (entry) =>
    element(
      'tr',
      entry.kind,
      cell(time(entry.at_ms)),
      cell(entry.order_id),
      cell(entry.kind),
      cell((entry.kind === 'charge' ? '−' : '+') + entry.price, 'right')
    )
  $('ledger').replaceChildren(...state.ledger.map(row))
}
$('wallet-form').onsubmit = (event) => {
  event.preventDefault()
  call('seed', { wallet: $('wallet').value }, 'The balance is set.')
}

function drawClock() {
  if (!state.clock) return
  const { mode, speed } = state.clock
  const ran =
    speed === 0
      ? 'stands still'
      : speed === 1
        ? mode === 'real'
          ? 'real time'
          : 'ahead'
        : `× ${speed}`
  put($('now'), date(now()))
  put($('mode'), `UTC, ${ran}`)
  for (const { node, item } of numbers.rows)
    if (item?.state === 'pending') put(node.children[4], left(item))
}
for (const button of document.querySelectorAll('[data-clock]'))
  button.onclick = () => call('clock', JSON.parse(button.dataset.clock))
$('speed-form').onsubmit = (event) => {
  event.preventDefault()
  call('clock', { speed: $('speed').valueAsNumber })
}
setInterval(drawClock, 250)

// Faults.

const isArmed = (rule) => rule.times === 0 || rule.hits < rule.times
const shownFaults = KNOWN.map(({ id, variants, meaning }) => {
  const toggle = element('button', 'switch')
  Object.assign(toggle, { type: 'button', onclick: () => switchFault(id, toggle, variant?.value) })
  toggle.setAttribute('role', 'switch')
  toggle.setAttribute('aria-checked', 'false')
  toggle.setAttribute('aria-label', `${id}: ${meaning}`)
  let variant
  if (variants.length > 1) {
    variant = element('select', '', ...variants.map((name) => new Option(name)))
    variant.setAttribute('aria-label', `Variant of ${id}`)
  }
  const node = element(
    'li',
    'fault',
    toggle,
    element('b', '', id),
    element('span', 'meaning', meaning),
    variant ?? ''
  )
  $('faults').append(node)
  return { id, node, toggle, variant, text: `${id} ${meaning} ${variants.join(' ')}`.toLowerCase() }
})
const ruleText = ({ fault, variant, match, times, hits }) =>
  `${fault}${variant && ` ${variant}`} on ${match.action ?? 'any action'} ${times === 0 ? `(${hits} hit)` : `(${times - hits} more)`}`

function drawFaults() {
  const armed = state.rules.filter(isArmed)
  const ids = new Set(armed.map(({ fault }) => fault))
  for (const { id, toggle, variant } of shownFaults) {
    toggle.setAttribute('aria-checked', String(ids.has(id)))
    // What is armed is what is chosen.
    if (variant && ids.has(id)) variant.value = armed.find(({ fault }) => fault === id).variant
    if (variant) variant.disabled = ids.has(id)
  }
  $('banner').hidden = armed.length === 0
  const listed = armed.slice(0, 4).map(ruleText).join(', ')
  put(
    $('banner-text'),
    armed.length
      ? `${armed.length === 1 ? 'A fault is' : `${armed.length} faults are`} armed: ${listed}${armed.length > 4 ? ' and more' : ''}.`
      : ''
  )
  put($('faults-count'), armed.length ? `${armed.length} armed` : '')
}
function switchFault(id, toggle, variant) {
  if (toggle.getAttribute('aria-checked') === 'true')
    return call('faults', { clear: true, fault: id }, `${id} is disarmed.`)
  const action = $('fault-action').value
  const times = $('fault-times').valueAsNumber
  if (!(times >= 0))
    return say('How many times? Write a whole number; 0 is until it is disarmed.', true)
  call(
    'faults',
    { fault: id, ...(variant && { variant }), match: action ? { action } : {}, times },
    `${id} is armed.`
  )
}
$('fault-search').oninput = ({ target }) => {
  const words = target.value.toLowerCase().split(/\s+/)
  for (const { node, text } of shownFaults)
    node.hidden = !words.every((word) => text.includes(word))
}
$('disarm').onclick = () => call('faults', { clear: true }, 'All faults are disarmed.')
for (const action of Calls.actions)
  if (!/V2$|^getServices$/.test(action)) $('fault-action').append(new Option(action))

// The log.

const log = new List(
  $('log-window'),
  () => {
    const action = element('button', 'link')
    action.type = 'button'
    return element(
      'li',
      'line',
      element('time'),
      action,
      element('span', 'request'),
      element('span', 'reply'),
      element('span', 'why')
    )
  },
  (row, line) => {
    const [at, action, request, reply, why] = row.children
    put(at, time(line.at_ms))
    put(action, line.action || '(none)')
    put(request, line.request.replace(/(^|&)action=[^&]*&?/, '$1').replace(/(^|&)format=json$/, ''))
    put(reply, `${line.status} ${line.reply}`)
    put(why, [line.fault, line.reason].filter(Boolean).join(': '))
    action.setAttribute(
      'aria-label',
      `${line.action || 'no action'} at ${time(line.at_ms)}: show the call`
    )
    row.dataset.key = line.key
    row.classList.toggle('refused', line.reason !== null || line.status >= 400)
    row.classList.toggle('faulty', line.fault !== null)
  }
)
function drawLog() {
  log.show(state.lines.toReversed())
  put(
    $('log-count'),
    state.logged > state.lines.length
      ? `the newest ${state.lines.length} of ${state.logged}`
      : String(state.logged)
  )
}
$('log-window').addEventListener('click', ({ target }) => {
  const row = target.closest('button')?.closest('li')
  const key = Number(row?.dataset.key)
  if (row) openCall(state.lines.find((line) => line.key === key))
})

// The two dialogs.

let smsTo
const drawCode = () => {
  const code = String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000).padStart(6, '0')
  $('sms-text').value = `Your code is ${code}`
  $('sms-text').select()
}
function openSms(order) {
  smsTo = order
  put($('sms-to'), `To ${order.phone}, ${order.service} in ${order.country}.`)
  $('sms').showModal()
  drawCode()
}
$('sms-code').onclick = drawCode
$('sms-close').onclick = () => $('sms').close()
$('sms').querySelector('form').onsubmit = () =>
  call(
    'sms',
    { id: smsTo.id, text: $('sms-text').value },
    `The SMS is delivered to ${smsTo.phone}.`
  )
$('sms-text').onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $('sms-send').click()
}

const LANGUAGES = { curl: 'curl', rust: 'Rust', c: 'C', python: 'Python', node: 'Node' }
let language = 'curl'
let calls
for (const [name, label] of Object.entries(LANGUAGES)) {
  const input = element('input')
  Object.assign(input, {
    type: 'radio',
    name: 'language',
    value: name,
    checked: name === language,
    onchange: () => showCall(name)
  })
  document.querySelector('.tabs').append(element('label', '', input, element('span', '', label)))
}
function showCall(name) {
  language = name
  put(
    $('call-text'),
    calls[name] ??
      (calls.curl
        ? 'The library has no call that sends this.'
        : 'The request is too long for the log, which has only its beginning.')
  )
}
function openCall(line) {
  put($('call-title'), line.action || 'No action')
  const facts = {
    Time: date(line.at_ms),
    Request: line.request,
    Reply: `${line.status} ${line.reply}`,
    Why: line.reason,
    Fault: line.fault
  }
  $('call-facts').replaceChildren(
    ...Object.entries(facts)
      .filter(([, text]) => text)
      .flatMap(([name, text]) => [element('dt', '', name), element('dd', '', text)])
  )
  calls = Calls.of(line, API)
  showCall(language)
  $('call').showModal()
}
$('call-copy').onclick = async () => {
  await navigator.clipboard.writeText($('call-text').textContent).then(
    () => say('Copied.', false),
    () => say('The browser did not allow copying.', true)
  )
}

put(
  $('empty-call'),
  `curl -H "X-API-Key: $SASTAOTP_API_KEY" '${API}?action=getNumber&service=zz_never&country=22'`
)
$('numbers-window').hidden = true
connect(0)
