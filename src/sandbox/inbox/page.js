// The page: keeps the state that the sandbox sends, draws it once per frame, and makes control
// calls.

const $ = (id) => document.getElementById(id)
const element = (tag, className, ...children) => {
  const node = document.createElement(tag)
  if (className) node.className = className
  node.append(...children)
  return node
}
/** Sets a text only if it differs, because unchanged text needs no layout. */
const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

/** The limits of the page's state. The sandbox itself keeps fewer log entries. */
const LIMITS = { lines: 10_000, ended: 100, entries: 200 }
const API = `${location.origin}/stubs/handler_api.php`
const FAULTS = JSON.parse($('known').textContent)

// State.

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
/** The parts to draw in the next frame. */
const dirty = new Set()
const draw = (...parts) => {
  if (dirty.size === 0) requestAnimationFrame(drawAll)
  for (const part of parts) dirty.add(part)
}

function applyUpdate(update) {
  if (update.namespaces) {
    state.namespaces = update.namespaces
    draw('namespaces')
  }
  if (update.namespace || update.gone) {
    const { namespaces } = state
    clear()
    Object.assign(state, { namespaces, namespace: update.namespace ?? 0 })
    draw('namespaces', 'orders', 'wallet', 'ledger', 'faults', 'log')
  }
  for (const order of update.orders ?? []) {
    state.orders.set(order.at, { ...order, key: order.at })
    draw('orders')
  }
  if (update.wallet) {
    state.wallet = update.wallet
    draw('wallet')
  }
  if (update.ledger) {
    state.ledger = [...update.ledger.reverse(), ...state.ledger].slice(0, LIMITS.entries)
    draw('ledger')
  }
  if (update.faults) {
    state.rules = update.faults
    draw('faults')
  }
  if (update.clock) {
    state.clock = { ...update.clock, at: performance.now() }
    draw('clock')
  }
  if (update.log) {
    const first = update.logged - update.log.length
    // Newest last, because appending many entries is cheap.
    update.log.forEach((line, at) => state.lines.push({ ...line, key: first + at }))
    if (state.lines.length > LIMITS.lines) state.lines.splice(0, state.lines.length - LIMITS.lines)
    state.logged = update.logged
    draw('log')
  }
}

/** The time in the namespace. */
const now = () =>
  state.clock ? state.clock.now_ms + (performance.now() - state.clock.at) * state.clock.speed : 0
/** A clock may be set beyond the range of a date. */
const date = (ms) => new Date(Math.min(ms, 8.64e15)).toISOString().slice(0, -5).replace('T', ' ')
const time = (ms) => date(ms).slice(-8)
const timeLeft = (order) => {
  const seconds = Math.max(0, Math.ceil((order.expires_ms - now()) / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

// Control calls.

async function call(name, body, done) {
  if (!state.namespace) return showMessage('No key has been used yet: send a request first.', true)
  try {
    const reply = await fetch(`/_inbox/${name}?namespace=${state.namespace}`, {
      method: 'POST',
      headers: { 'X-Sandbox-Token': document.body.dataset.token },
      body: JSON.stringify(body)
    })
    const answer = await reply.text()
    if (!reply.ok) throw new Error(answer.startsWith('{') ? JSON.parse(answer).error : answer)
    showMessage(done, false)
  } catch (error) {
    showMessage(error instanceof TypeError ? 'The sandbox does not answer.' : error.message, true)
  }
}

let messageTimer
function showMessage(text, wrong) {
  $('message').hidden = !text
  setText($('message'), text ?? '')
  $('message').classList.toggle('wrong', wrong)
  clearTimeout(messageTimer)
  messageTimer = setTimeout(() => ($('message').hidden = true), wrong ? 10_000 : 3_000)
}

let source
function connect(namespace) {
  source?.close()
  source = new EventSource(`/_inbox/events?namespace=${namespace}`)
  const opened = source
  source.onopen = () => setConnection('live', '')
  source.onmessage = ({ data }) => applyUpdate(JSON.parse(data))
  source.onerror = async () => {
    setConnection('not connected', 'off')
    if (opened.readyState !== EventSource.CLOSED) return
    // The stream was refused: fetch the reason, and try again.
    setTimeout(() => opened === source && connect(state.namespace), 5_000)
    const abort = new AbortController()
    const reply = await fetch(opened.url, { signal: abort.signal }).catch(() => null)
    if (reply && !reply.ok) showMessage(await reply.text(), true)
    abort.abort()
  }
}
const setConnection = (text, className) => {
  setText($('live'), text)
  $('live').className = `live ${className}`
}

// Drawing.

const drawers = {
  namespaces: drawNamespaces,
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

function drawNamespaces() {
  // An open list must not change while the user reads it.
  if (document.activeElement === $('namespaces') && state.namespace) return
  const recent = state.namespaces?.recent ?? []
  const shown =
    state.namespace && !recent.includes(state.namespace) ? [...recent, state.namespace] : recent
  const options = shown.map((number) => {
    const option = new Option(`namespace ${number}`, number)
    option.selected = number === state.namespace
    return option
  })
  const more = (state.namespaces?.total ?? 0) - shown.length
  if (more > 0) options.push(Object.assign(new Option(`and ${more} older`), { disabled: true }))
  if (options.length) $('namespaces').replaceChildren(...options)
}
$('namespaces').onchange = ({ target }) => connect(target.value)
$('namespaces').onblur = () => draw('namespaces')

// The text of a row's state, and the name of its colour.
function stateText(order) {
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
    const [text, className] = stateText(order)
    setText(phone, order.phone)
    phone.title = order.phone
    setText(service, `${order.service} · ${order.country}`)
    setText(price, `₹${order.price}`)
    setText(condition, text)
    condition.title = order.text ?? ''
    row.dataset.state = className
    row.dataset.at = order.at
    setText(until, order.state === 'pending' ? timeLeft(order) : '')
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
  for (const { at } of ended.splice(LIMITS.ended)) state.orders.delete(at)
  numbers.show([...pending.sort(newest), ...ended])
  setText($('numbers-count'), `${pending.length} active`)
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
      act === 'expire'
        ? `${order.phone} has expired.`
        : `The provider has cancelled ${order.phone}.`
    )
})

function drawWallet() {
  const { wallet } = state
  if (!wallet) return
  setText($('balance'), wallet.balance)
  const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`
  const charges = `${plural(wallet.charges, 'charge')} of ${wallet.charged}`
  const refunds = `${plural(wallet.refunds, 'refund')} of ${wallet.refunded}`
  setText($('sums'), `Opened with ${wallet.opening}; ${charges}, ${refunds}.`)
  setText($('ledger-count'), String(wallet.charges + wallet.refunds))
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
  call('seed', { wallet: $('wallet').value }, 'The balance was set.')
}

function drawClock() {
  if (!state.clock) return
  const { mode, speed } = state.clock
  const normal = mode === 'real' ? 'real time' : 'ahead'
  const ran = speed === 0 ? 'stopped' : speed === 1 ? normal : `× ${speed}`
  setText($('now'), date(now()))
  setText($('mode'), `UTC, ${ran}`)
  for (const { node, item } of numbers.rows)
    if (item?.state === 'pending') setText(node.children[4], timeLeft(item))
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
const faultRows = FAULTS.map(({ id, name, variants, description }) => {
  const toggle = element('button', 'switch')
  Object.assign(toggle, {
    type: 'button',
    onclick: () => toggleFault(name, toggle, variant?.value)
  })
  toggle.setAttribute('role', 'switch')
  toggle.setAttribute('aria-checked', 'false')
  toggle.setAttribute('aria-label', `${name}: ${description}`)
  let variant
  if (variants.length > 1) {
    variant = element('select', '', ...variants.map((text) => new Option(text)))
    variant.setAttribute('aria-label', `Variant of ${name}`)
  }
  const title = element('b', '', name)
  const node = element(
    'li',
    'fault',
    toggle,
    title,
    element('span', '', description),
    variant ?? ''
  )
  $('faults').append(node)
  const text = `${id} ${name} ${description} ${variants.join(' ')}`.toLowerCase()
  return { name, node, toggle, variant, text }
})
const describeRule = ({ fault, variant, match, times, hits }) => {
  const left = times === 0 ? `(${hits} hit)` : `(${times - hits} more)`
  return `${fault}${variant && ` ${variant}`} on ${match.action ?? 'any action'} ${left}`
}

function drawFaults() {
  const armed = state.rules.filter(isArmed)
  const names = new Set(armed.map(({ fault }) => fault))
  for (const { name, toggle, variant } of faultRows) {
    toggle.setAttribute('aria-checked', String(names.has(name)))
    // Shows the variant of the armed fault.
    if (variant && names.has(name))
      variant.value = armed.find(({ fault }) => fault === name).variant
    if (variant) variant.disabled = names.has(name)
  }
  $('banner').hidden = armed.length === 0
  const listed = armed.slice(0, 4).map(describeRule).join(', ')
  const count = armed.length === 1 ? 'A fault is' : `${armed.length} faults are`
  const text = `${count} armed: ${listed}${armed.length > 4 ? ' and more' : ''}.`
  setText($('banner-text'), armed.length ? text : '')
  setText($('faults-count'), armed.length ? `${armed.length} armed` : '')
}
function toggleFault(name, toggle, variant) {
  if (toggle.getAttribute('aria-checked') === 'true')
    return call('faults', { clear: true, fault: name }, `${name} is disarmed.`)
  const action = $('fault-action').value
  const times = $('fault-times').valueAsNumber
  if (!(times >= 0))
    return showMessage('Times must be a whole number; 0 means until disarmed.', true)
  const match = action ? { action } : {}
  call('faults', { fault: name, ...(variant && { variant }), match, times }, `${name} is armed.`)
}
$('fault-search').oninput = ({ target }) => {
  const words = target.value.toLowerCase().split(/\s+/)
  for (const { node, text } of faultRows) node.hidden = !words.every((word) => text.includes(word))
}
$('disarm').onclick = () => call('faults', { clear: true }, 'All faults are disarmed.')
for (const action of CodeSamples.actions)
  if (!/V2$|^getServices$/.test(action)) $('fault-action').append(new Option(action))

// Log.

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
    setText(at, time(line.at_ms))
    setText(action, line.action || '(none)')
    setText(
      request,
      line.request.replace(/(^|&)action=[^&]*&?/, '$1').replace(/(^|&)format=json$/, '')
    )
    setText(reply, `${line.status} ${line.reply}`)
    setText(why, [line.fault, line.reason].filter(Boolean).join(': '))
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
  setText(
    $('log-count'),
    state.logged > state.lines.length
      ? `the newest ${state.lines.length} of ${state.logged}`
      : String(state.logged)
  )
}
$('log-window').addEventListener('click', ({ target }) => {
  const row = target.closest('button')?.closest('li')
  const key = Number(row?.dataset.key)
  if (row) openSample(state.lines.find((line) => line.key === key))
})

// Dialogs.

let smsOrder
const fillRandomCode = () => {
  const code = String(crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000).padStart(6, '0')
  $('sms-text').value = `Your code is ${code}`
  $('sms-text').select()
}
function openSms(order) {
  smsOrder = order
  setText($('sms-to'), `To ${order.phone}, ${order.service} in ${order.country}.`)
  $('sms').showModal()
  fillRandomCode()
}
$('sms-code').onclick = fillRandomCode
$('sms-close').onclick = () => $('sms').close()
$('sms').querySelector('form').onsubmit = () =>
  call(
    'sms',
    { id: smsOrder.id, text: $('sms-text').value },
    `The SMS was delivered to ${smsOrder.phone}.`
  )
$('sms-text').onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
  event.preventDefault()
  $('sms-send').click()
}

const LANGUAGES = { curl: 'curl', rust: 'Rust', c: 'C', python: 'Python', node: 'Node' }
let language = 'curl'
let samples
for (const [name, label] of Object.entries(LANGUAGES)) {
  const input = element('input')
  Object.assign(input, {
    type: 'radio',
    name: 'language',
    value: name,
    checked: name === language,
    onchange: () => showSample(name)
  })
  document.querySelector('.tabs').append(element('label', '', input, element('span', '', label)))
}
function showSample(name) {
  language = name
  setText(
    $('call-text'),
    samples[name] ??
      (samples.curl
        ? 'The library cannot send this request.'
        : 'The log has truncated this request.')
  )
}
function openSample(line) {
  setText($('call-title'), line.action || 'No action')
  const facts = {
    Time: date(line.at_ms),
    Request: line.request,
    Reply: `${line.status} ${line.reply}`,
    Reason: line.reason,
    Fault: line.fault
  }
  $('call-facts').replaceChildren(
    ...Object.entries(facts)
      .filter(([, text]) => text)
      .flatMap(([name, text]) => [element('dt', '', name), element('dd', '', text)])
  )
  samples = CodeSamples.of(line, API)
  showSample(language)
  $('call').showModal()
}
$('call-copy').onclick = async () => {
  await navigator.clipboard.writeText($('call-text').textContent).then(
    () => showMessage('Copied.', false),
    () => showMessage('The browser blocked copying.', true)
  )
}

setText(
  $('empty-call'),
  `curl -H "X-API-Key: $SASTAOTP_API_KEY" '${API}?action=getNumber&service=zz_never&country=22'`
)
$('numbers-window').hidden = true
connect(0)
