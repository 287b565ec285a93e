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

  // A call in C: the type of the result, the name of the function, the arguments.
  const c = (type, call, ...args) => {
    const list = ['client', ...args, `&${type}`, '&error'].join(', ')
    return (
      `sastaotp_${type} *${type} = NULL;\n` +
      `sastaotp_status status = sastaotp_client_${call}(${list});`
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
      'sastaotp_number_request *request = NULL;',
      `sastaotp_number_request_new(${quoted(p.service)}, &request, &error);`,
      p.country && `sastaotp_number_request_set_country(request, ${quoted(p.country)}, &error);`,
      p.operator && `sastaotp_number_request_set_operator(request, ${quoted(p.operator)}, &error);`,
      isAnywhere(p) && 'sastaotp_number_request_any_country(request, &error);',
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
    samples: (p) =>
      byId(p.id, 'status', 'get_status', 'activation_status', 'get_status', 'getStatus')
  }
  const getNumber = { needs: ['service'], samples: purchase }
  const TABLE = {
    getBalance: { needs: [], samples: () => reads('balance', 'get_balance', 'getBalance') },
    getCountries: { needs: [], samples: () => reads('countries', 'get_countries', 'getCountries') },
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
        c: c('activation', 'reget_number_at_any_price', quoted(p.id)),
        python: `number = client.reget_number(${quoted(p.id)}, accept_any_price=True)`,
        node: `const number = await client.regetNumber(${single(p.id)}, { acceptAnyPrice: true })`
      })
    },
    getStatus: status,
    getStatusV2: status,
    setStatus: {
      needs: ['id', 'status'],
      samples: (p) => {
        const [rust, inC] = STATUS[p.status] ?? []
        if (!rust) return {}
        return {
          rust: `let change = client.set_status(${quoted(p.id)}, SetStatus::${rust})?;`,
          c: c('status_change', 'set_status', quoted(p.id), `SASTAOTP_SET_${inC}`),
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
      'sastaotp_client_from_env(&client, &error);\n',
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
