// The call that makes a request, in five languages: one table, from the action and its parameters.

const Calls = (() => {
  // A text in each language. Rust and C write what is no ASCII in their own ways, so it stays as it is.
  const quoted = (text) => `"${text.replace(/[\\"]/g, '\\$&')}"`
  const single = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`
  const orElse = (value, form, other) => (value === undefined ? other : form(value))
  const some = (value) => orElse(value, (text) => `Some(${quoted(text)})`, 'None')
  const orNull = (value) => orElse(value, quoted, 'NULL')
  // Arguments with names, of those that are there.
  const named = (pairs, join) =>
    pairs.filter(([, value]) => value !== undefined).map(([name, value]) => name + join + value)
  const inPython = (...pairs) => named(pairs, '=').join(', ')
  const inNode = (...pairs) =>
    named(pairs, ': ').length ? `{ ${named(pairs, ': ').join(', ')} }` : ''
  const text = (form, value) => orElse(value, form, undefined)
  const whole = (value, other) => (/^[1-9]\d{0,4}$/.test(value) ? value : other)

  const STATUS = {
    '-1': ['CancelLegacy', 'CANCEL_LEGACY'],
    1: ['SmsSent', 'SMS_SENT'],
    3: ['NextCode', 'NEXT_CODE'],
    6: ['Complete', 'COMPLETE'],
    8: ['Cancel', 'CANCEL']
  }

  const ORDERS = {
    pending: 'Pending',
    completed: 'Completed',
    cancelled: 'Cancelled',
    expired: 'Expired'
  }

  // What C does with each: the type of the result, the name of the call, its arguments.
  const c = (type, call, ...args) =>
    `sastaotp_${type} *${type} = NULL;\n` +
    `sastaotp_status status = sastaotp_client_${call}(${['client', ...args, `&${type}`, '&error'].join(', ')});`

  const number = (p) => ({
    rust: `let number = client.get_number(NumberRequest::new(${quoted(p.service)})${orElse(p.country, (code) => `.country(${quoted(code)})`, '')}${orElse(p.operator, (name) => `.operator(${quoted(name)})`, '')}${p.multiSMS ? '.multi_sms()' : ''}${orElse(p.maxPrice, (price) => `.max_price(${quoted(price)}.parse::<Amount>()?)`, '.accept_any_price()')})?;`,
    c: [
      'sastaotp_number_request *request = NULL;',
      `sastaotp_number_request_new(${quoted(p.service)}, &request, &error);`,
      p.country && `sastaotp_number_request_set_country(request, ${quoted(p.country)}, &error);`,
      p.operator && `sastaotp_number_request_set_operator(request, ${quoted(p.operator)}, &error);`,
      p.multiSMS && 'sastaotp_number_request_ask_multi_sms(request, &error);',
      ...(p.maxPrice
        ? [
            'int64_t price = 0;',
            `sastaotp_amount_parse(${quoted(p.maxPrice)}, &price, &error);`,
            'sastaotp_number_request_set_max_price(request, price, &error);'
          ]
        : ['sastaotp_number_request_accept_any_price(request, &error);']),
      c('activation', 'get_number', 'request')
    ]
      .filter(Boolean)
      .join('\n'),
    python: `number = client.get_number(${[quoted(p.service), inPython(['country', text(quoted, p.country)], ['operator', text(quoted, p.operator)], ['multi_sms', p.multiSMS && 'True'], p.maxPrice ? ['max_price', quoted(p.maxPrice)] : ['accept_any_price', 'True'])].join(', ')})`,
    node: `const number = await client.getNumber(${single(p.service)}, ${inNode(['country', text(single, p.country)], ['operator', text(single, p.operator)], ['multiSms', p.multiSMS && 'true'], p.maxPrice ? ['maxPrice', single(p.maxPrice)] : ['acceptAnyPrice', 'true'])})`
  })

  const byId = (id, result, rust, type, python, node) => ({
    rust: `let ${result} = client.${rust}(${quoted(id)})?;`,
    c: c(type, rust, quoted(id)),
    python: `${result} = client.${python}(${quoted(id)})`,
    node: `const ${result} = await client.${node}(${single(id)})`
  })

  const reads = (result, name, node) => ({
    rust: `let ${result} = client.${name}()?;`,
    c: c(result, name),
    python: `${result} = client.${name}()`,
    node: `const ${result} = await client.${node}()`
  })

  // Each action: the parameters that it needs, and its calls.
  const services = {
    needs: [],
    calls: (p) => ({
      rust: `let services = client.get_services(${some(p.service)})?;`,
      c: c('services', 'get_services', orNull(p.service)),
      python: `services = client.get_services(${orElse(p.service, quoted, '')})`,
      node: `const services = await client.getServices(${inNode(['service', text(single, p.service)])})`
    })
  }
  const status = {
    needs: ['id'],
    calls: (p) => byId(p.id, 'status', 'get_status', 'state', 'get_status', 'getStatus')
  }
  const getNumber = { needs: ['service'], calls: number }
  const TABLE = {
    getBalance: { needs: [], calls: () => reads('balance', 'get_balance', 'getBalance') },
    getCountries: { needs: [], calls: () => reads('countries', 'get_countries', 'getCountries') },
    getServicesList: services,
    getServices: services,
    getPrices: {
      needs: [],
      calls: (p) => ({
        rust: `let prices = client.get_prices(${some(p.service)}, ${some(p.country)})?;`,
        c: c('prices', 'get_prices', orNull(p.service), orNull(p.country)),
        python: `prices = client.get_prices(${inPython(['service', text(quoted, p.service)], ['country', text(quoted, p.country)])})`,
        node: `const prices = await client.getPrices(${inNode(['service', text(single, p.service)], ['country', text(single, p.country)])})`
      })
    },
    getOrders: {
      needs: [],
      calls: (p) => {
        const [limit, page] = [whole(p.limit, '20'), whole(p.page, '1')]
        const state = orElse(ORDERS[p.status], (name) => `Some(OrderStatus::${name})`, 'None')
        if (p.status && state === 'None') return {}
        return {
          rust: `let orders = client.get_orders(&OrderQuery { limit: ${limit}, page: ${page}, status: ${state} })?;`,
          c: c('orders', 'get_orders', limit, page, orNull(p.status)),
          python: `orders = client.get_orders(${inPython(['limit', limit], ['page', page], ['status', text(quoted, p.status)])})`,
          node: `const orders = await client.getOrders(${inNode(['limit', limit], ['page', page], ['status', text(single, p.status)])})`
        }
      }
    },
    getNumber,
    getNumberV2: getNumber,
    regetNumber: {
      needs: ['id'],
      calls: (p) =>
        byId(p.id, 'number', 'reget_number', 'activation', 'reget_number', 'regetNumber')
    },
    getStatus: status,
    getStatusV2: status,
    setStatus: {
      needs: ['id', 'status'],
      calls: (p) => {
        const [rust, inC] = STATUS[p.status] ?? []
        if (!rust) return {}
        return {
          rust: `let change = client.set_status(${quoted(p.id)}, SetStatus::${rust})?;`,
          c: c('change', 'set_status', quoted(p.id), `SASTAOTP_SET_${inC}`),
          python: `change = client.set_status(${quoted(p.id)}, ${p.status})`,
          node: `const change = await client.setStatus(${single(p.id)}, ${p.status})`
        }
      }
    }
  }

  // What stands before the calls of a language.
  const BEFORE = {
    curl: '',
    rust: 'use sastaotp::*;\n\nlet client = Client::from_env()?;\n',
    c: '#include <sastaotp.h>\n\nsastaotp_client *client = NULL;\nsastaotp_error *error = NULL;\nsastaotp_client_from_env(&client, &error);\n',
    python: 'import sastaotp\n\nclient = sastaotp.Client()\n',
    node: "import { Client } from 'sastaotp'\n\nconst client = new Client()\n"
  }

  /** The parameters of a line of the log, which shows them without the key. */
  const parameters = (request) =>
    request
      .split('&')
      .filter(Boolean)
      .map((pair) => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)])

  /** `{curl, rust, c, python, node}`; null where the library has no such call, and all null where the log cut the request. */
  const of = (line, url) => {
    const none = { curl: null, rust: null, c: null, python: null, node: null }
    if (line.request.length >= 200) return none
    const pairs = parameters(line.request)
    const encoded = (part) => encodeURIComponent(part).replace(/'/g, '%27')
    const query = pairs.map((pair) => pair.map(encoded).join('=')).join('&')
    const curl = `curl -H "X-API-Key: $SASTAOTP_API_KEY" '${url}?${query}'`
    const params = Object.fromEntries(pairs.filter(([, value]) => value !== ''))
    const row = Object.hasOwn(TABLE, line.action) && TABLE[line.action]
    const callable = row && row.needs.every((name) => params[name] !== undefined)
    const calls = callable ? row.calls(params) : {}
    const whole = ([language]) => [
      language,
      calls[language] ? BEFORE[language] + calls[language] : null
    ]
    return { ...Object.fromEntries(Object.entries(none).map(whole)), curl }
  }

  return { of, before: BEFORE, actions: Object.keys(TABLE) }
})()
