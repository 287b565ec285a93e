// Code samples for a request in five languages: one table, from an action and its parameters.

const CodeSamples = (() => {
  // String literals. Rust and C escape other characters than ASCII differently, so these stay
  // verbatim.
  const quoted = (text) => `"${text.replace(/[\\"]/g, '\\$&')}"`
  const single = (text) => `'${text.replace(/[\\']/g, '\\$&')}'`
  const orElse = (value, form, other) => (value === undefined ? other : form(value))
  const some = (value) => orElse(value, (text) => `Some(${quoted(text)})`, 'None')
  const orNull = (value) => orElse(value, quoted, 'NULL')
  // Named arguments, without those that are undefined.
  const named = (pairs, join) =>
    pairs.filter(([, value]) => value !== undefined).map(([name, value]) => name + join + value)
  const inPython = (...pairs) => named(pairs, '=').join(', ')
  const inNode = (...pairs) =>
    named(pairs, ': ').length ? `{ ${named(pairs, ': ').join(', ')} }` : ''
  const text = (form, value) => orElse(value, form, undefined)
  const whole = (value, other) => (/^[1-9]\d{0,4}$/.test(value) ? value : other)

  const STATUS = {
    '-1': 'CancelLegacy',
    1: 'SmsSent',
    3: 'NextCode',
    6: 'Complete',
    8: 'Cancel'
  }

  const ORDERS = {
    pending: 'Pending',
    completed: 'Completed',
    cancelled: 'Cancelled',
    expired: 'Expired'
  }

  // Calls in C, one after the other. The first failure ends the sequence.
  const inC = (...calls) => calls.map((call) => `if (status == SASTAOTP_OK) status = ${call};`)
  // A call in C: the type of the result, the name of the function, the arguments.
  const c = (type, call, ...args) => {
    const list = ['client', ...args, `&${type}`, '&error'].join(', ')
    return [`sastaotp_${type} *${type} = NULL;`, ...inC(`sastaotp_client_${call}(${list})`)].join(
      '\n'
    )
  }

  const isAnywhere = (p) => !p.country && !p.operator

  const purchase = (p) => ({
    rust: [
      `let request = NumberRequest::new(${quoted(p.service)})`,
      p.country && `    .country(${quoted(p.country)})`,
      p.operator && `    .operator(${quoted(p.operator)})`,
      isAnywhere(p) && '    .any_country()',
      p.multiSMS && '    .multi_sms()',
      p.maxPrice
        ? `    .max_price(${quoted(p.maxPrice)}.parse::<Amount>()?);`
        : '    .accept_any_price();',
      'let number = client.get_number(request)?;'
    ]
      .filter(Boolean)
      .join('\n'),
    c: [
      'sastaotp_number_request request = SASTAOTP_NUMBER_REQUEST_INIT;',
      `request.service = ${quoted(p.service)};`,
      p.country && `request.country = ${quoted(p.country)};`,
      p.operator && `request.operator_ = ${quoted(p.operator)};`,
      isAnywhere(p) && 'request.any_country = true;',
      p.multiSMS && 'request.multi_sms = true;',
      ...(p.maxPrice
        ? inC(`sastaotp_amount_parse(${quoted(p.maxPrice)}, &request.max_price_micros, &error)`)
        : ['request.max_price_micros = SASTAOTP_ANY_PRICE;']),
      c('activation', 'get_number', '&request')
    ]
      .filter(Boolean)
      .join('\n'),
    python: `number = client.get_number(${[
      quoted(p.service),
      inPython(
        ['country', text(quoted, p.country)],
        ['operator', text(quoted, p.operator)],
        ['any_country', isAnywhere(p) ? 'True' : undefined],
        ['multi_sms', p.multiSMS && 'True'],
        p.maxPrice ? ['max_price', quoted(p.maxPrice)] : ['accept_any_price', 'True']
      )
    ].join(', ')})`,
    node: `const number = await client.getNumber(${single(p.service)}, ${inNode(
      ['country', text(single, p.country)],
      ['operator', text(single, p.operator)],
      ['anyCountry', isAnywhere(p) ? 'true' : undefined],
      ['multiSms', p.multiSMS && 'true'],
      p.maxPrice ? ['maxPrice', single(p.maxPrice)] : ['acceptAnyPrice', 'true']
    )})`
  })

  const reads = (result, name, node, linesInC) => ({
    rust: `let ${result} = client.${name}()?;`,
    c: linesInC.join('\n'),
    python: `${result} = client.${name}()`,
    node: `const ${result} = await client.${node}()`
  })

  // Each action: its required parameters and its samples.
  const services = {
    needs: [],
    samples: (p) => ({
      rust: `let services = client.get_services(${some(p.service)})?;`,
      c: c('services', 'get_services', orNull(p.service)),
      python: `services = client.get_services(${orElse(p.service, quoted, '')})`,
      node: `const services = await client.getServices(${inNode([
        'service',
        text(single, p.service)
      ])})`
    })
  }
  const status = {
    needs: ['id'],
    samples: (p) => ({
      rust: `let status = client.get_status(${quoted(p.id)})?;`,
      c: [
        c('activation', 'activation', quoted(p.id)),
        'sastaotp_activation_status *reply = NULL;',
        ...inC('sastaotp_activation_get_status(activation, &reply, &error)')
      ].join('\n'),
      python: `status = client.get_status(${quoted(p.id)})`,
      node: `const status = await client.getStatus(${single(p.id)})`
    })
  }
  const getNumber = { needs: ['service'], samples: purchase }
  const TABLE = {
    getBalance: {
      needs: [],
      samples: () => {
        const calls = inC('sastaotp_client_get_balance(client, &micros, &error)')
        return reads('balance', 'get_balance', 'getBalance', ['int64_t micros = 0;', ...calls])
      }
    },
    getCountries: {
      needs: [],
      samples: () => {
        const calls = c('countries', 'get_countries', 'NULL')
        return reads('countries', 'get_countries', 'getCountries', [calls])
      }
    },
    getServicesList: services,
    getServices: services,
    getPrices: {
      needs: [],
      samples: (p) => ({
        rust: `let prices = client.get_prices(${some(p.service)}, ${some(p.country)})?;`,
        c: c('prices', 'get_prices', orNull(p.service), orNull(p.country)),
        python: `prices = client.get_prices(${inPython(
          ['service', text(quoted, p.service)],
          ['country', text(quoted, p.country)]
        )})`,
        node: `const prices = await client.getPrices(${inNode(
          ['service', text(single, p.service)],
          ['country', text(single, p.country)]
        )})`
      })
    },
    getOrders: {
      needs: [],
      samples: (p) => {
        const [limit, page] = [whole(p.limit, '20'), whole(p.page, '1')]
        const state = orElse(ORDERS[p.status], (name) => `Some(OrderStatus::${name})`, 'None')
        if (p.status && state === 'None') return {}
        return {
          rust:
            `let query = OrderQuery { limit: ${limit}, page: ${page}, status: ${state} };\n` +
            'let orders = client.get_orders(&query)?;',
          c: c('orders', 'get_orders', limit, page, orNull(p.status)),
          python: `orders = client.get_orders(${inPython(
            ['limit', limit],
            ['page', page],
            ['status', text(quoted, p.status)]
          )})`,
          node: `const orders = await client.getOrders(${inNode(
            ['limit', limit],
            ['page', page],
            ['status', text(single, p.status)]
          )})`
        }
      }
    },
    getNumber,
    getNumberV2: getNumber,
    regetNumber: {
      needs: ['id'],
      samples: (p) => ({
        rust: `let number = client.reget_number(${quoted(p.id)}, PriceLimit::Any)?;`,
        c: c('activation', 'reget_number', quoted(p.id), 'SASTAOTP_ANY_PRICE'),
        python: `number = client.reget_number(${quoted(p.id)}, accept_any_price=True)`,
        node: `const number = await client.regetNumber(${single(p.id)}, { acceptAnyPrice: true })`
      })
    },
    getStatus: status,
    getStatusV2: status,
    setStatus: {
      needs: ['id', 'status'],
      samples: (p) => {
        const rust = STATUS[p.status]
        if (!rust) return {}
        const operation = `{"op":"set_status","id":${quoted(p.id)},"status":${p.status}}`
        return {
          rust: `let change = client.set_status(${quoted(p.id)}, SetStatus::${rust})?;`,
          c: [
            'sastaotp_queue *queue = NULL;',
            'sastaotp_completion *change = NULL;',
            'uint64_t ticket = 0;',
            `const char *operation = ${quoted(operation)};`,
            ...inC(
              'sastaotp_queue_new(client, 0, &queue, &error)',
              'sastaotp_queue_submit(queue, operation, NULL, &ticket, &error)',
              'sastaotp_queue_join(queue, ticket, 90000, &change, &error)'
            )
          ].join('\n'),
          python: `change = client.set_status(${quoted(p.id)}, ${p.status})`,
          node: `const change = await client.setStatus(${single(p.id)}, ${p.status})`
        }
      }
    }
  }

  // The code before the call, for each language.
  const BEFORE = {
    curl: '',
    rust: 'use sastaotp::*;\n\nlet client = Client::from_env()?;\n',
    c:
      '#include <sastaotp.h>\n\nsastaotp_client *client = NULL;\nsastaotp_error *error = NULL;\n' +
      'sastaotp_status status = sastaotp_client_from_env(&client, &error);\n',
    python: 'import sastaotp\n\nclient = sastaotp.Client()\n',
    node: "import { Client } from 'sastaotp'\n\nconst client = new Client()\n"
  }

  /** Splits a logged request, which has no key, into its parameters. */
  const parameters = (request) =>
    request
      .split('&')
      .filter(Boolean)
      .map((pair) => [pair.split('=', 1)[0], pair.slice(pair.indexOf('=') + 1)])

  /**
   * Returns `{curl, rust, c, python, node}`: null if the library cannot send the request, and all
   * null if the log has truncated it.
   */
  const of = (logEntry, url) => {
    const none = { curl: null, rust: null, c: null, python: null, node: null }
    if (logEntry.request.length >= 200) return none
    const pairs = parameters(logEntry.request)
    const encoded = (part) => encodeURIComponent(part).replace(/'/g, '%27')
    const query = pairs.map((pair) => pair.map(encoded).join('=')).join('&')
    const curl = `curl -H "X-API-Key: $SASTAOTP_API_KEY" '${url}?${query}'`
    const params = Object.fromEntries(pairs.filter(([, value]) => value !== ''))
    const row = Object.hasOwn(TABLE, logEntry.action) && TABLE[logEntry.action]
    const callable = row && row.needs.every((name) => params[name] !== undefined)
    const samples = callable ? row.samples(params) : {}
    const whole = ([language]) => [
      language,
      samples[language] ? BEFORE[language] + samples[language] : null
    ]
    return { ...Object.fromEntries(Object.entries(none).map(whole)), curl }
  }

  return { of, before: BEFORE, actions: Object.keys(TABLE) }
})()
