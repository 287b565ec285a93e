// The native library: the functions of the C interface that are used here, as include/sastaotp.h declares them.
//
// All of them return at once, so that the event loop may call them. Handles are addresses (bigint). What a function writes
// goes to a typed array of one element.

const { isAscii } = require('node:buffer')
const koffi = require('koffi')
const { locateLibrary } = require('./platform.js')
const { ConfigError, errorOf } = require('./errors.js')

/** SASTAOTP_ABI_VERSION of the header that the declarations below are from. */
const ABI_VERSION = 0

/** Word for word the header's; a test compares them. */
const DECLARATIONS = `
uint32_t sastaotp_abi_version(void);
const char *sastaotp_error_json(const sastaotp_error *error);
void sastaotp_error_free(sastaotp_error *error);
sastaotp_status sastaotp_amount_parse(const char *rupees, int64_t *micros, sastaotp_error **error);
sastaotp_config *sastaotp_config_new(void);
sastaotp_status sastaotp_config_set_api_key(sastaotp_config *config, const char *api_key, sastaotp_error **error);
sastaotp_status sastaotp_config_set_api_key_location(sastaotp_config *config, sastaotp_api_key_location place, sastaotp_error **error);
sastaotp_status sastaotp_config_set_base_url(sastaotp_config *config, const char *base_url, sastaotp_error **error);
sastaotp_status sastaotp_config_set_user_agent(sastaotp_config *config, const char *user_agent, sastaotp_error **error);
sastaotp_status sastaotp_config_add_ca_pem(sastaotp_config *config, const uint8_t *pem, size_t length, sastaotp_error **error);
sastaotp_status sastaotp_config_set_max_connections(sastaotp_config *config, uint32_t count, sastaotp_error **error);
sastaotp_status sastaotp_config_set_budget(sastaotp_config *config, int64_t micros, sastaotp_error **error);
sastaotp_status sastaotp_config_set_timeout_ms(sastaotp_config *config, uint32_t millis, sastaotp_error **error);
sastaotp_status sastaotp_config_set_max_requests_per_minute(sastaotp_config *config, uint32_t count, sastaotp_error **error);
void sastaotp_config_free(sastaotp_config *config);
sastaotp_status sastaotp_client_new(const sastaotp_config *config, sastaotp_client **client, sastaotp_error **error);
void sastaotp_client_free(sastaotp_client *client);
sastaotp_status sastaotp_queue_new(const sastaotp_client *client, sastaotp_queue **queue, sastaotp_error **error);
sastaotp_status sastaotp_queue_new_with_workers(const sastaotp_client *client, uint32_t workers, sastaotp_queue **queue, sastaotp_error **error);
sastaotp_status sastaotp_queue_submit(const sastaotp_queue *queue, const char *operation, uint64_t *ticket, sastaotp_error **error);
bool sastaotp_queue_cancel(const sastaotp_queue *queue, uint64_t ticket);
sastaotp_status sastaotp_queue_take(const sastaotp_queue *queue, sastaotp_completion **completions, size_t capacity, uint32_t timeout_ms, size_t *count, sastaotp_error **error);
int32_t sastaotp_queue_fd(const sastaotp_queue *queue);
void sastaotp_queue_free(sastaotp_queue *queue);
sastaotp_status sastaotp_intent_from_json(const char *json, sastaotp_intent **intent, sastaotp_error **error);
void sastaotp_intent_free(sastaotp_intent *intent);
uint64_t sastaotp_completion_ticket(const sastaotp_completion *completion);
const char *sastaotp_completion_json(const sastaotp_completion *completion);
const sastaotp_error *sastaotp_completion_error(const sastaotp_completion *completion);
void sastaotp_completion_free(sastaotp_completion *completion);
`

/** Results that are read by `textOf`, for they may be long. */
const LONG = 'completion_json'

/** A type of the header in koffi's words. Nothing is given a name there: names are global, and two copies would collide. */
function type(text) {
  if (/^const char \*$/.test(text)) return 'const char *'
  if (text.includes('*')) return 'void *'
  // The header's own types that are no pointers are int32_t, all of them.
  return text.startsWith('sastaotp_') ? 'int32_t' : text
}

function declare(library, declaration) {
  const [, result, name, parameters] = declaration.match(/^(.+?[ *])(sastaotp_\w+)\((.*)\);$/)
  const types = parameters === 'void' ? [] : parameters.split(', ').map((one) => one.replace(/\w+$/, '').trim())
  const short = name.replace('sastaotp_', '')
  return [short, library.func(name, short === LONG ? 'void *' : type(result.trim()), types.map(type))]
}

let loaded

/** The functions by their names without `sastaotp_`. Loads the library when it is first asked for. */
function library() {
  loaded ??= load()
  return loaded
}

function load() {
  let file
  try {
    file = locateLibrary()
    const handle = koffi.load(file)
    const functions = Object.fromEntries(
      DECLARATIONS.trim()
        .split('\n')
        .map((line) => declare(handle, line))
    )
    functions.strlen = koffi.load(null).func('strlen', 'size_t', ['void *'])
    const version = functions.abi_version()
    if (version !== ABI_VERSION) throw new Error(`its binary interface is version ${version}, not ${ABI_VERSION}`)
    return functions
  } catch (cause) {
    const what = file ? `${cause.message}: it must be of the same version as this package (${file})` : cause.message
    throw new ConfigError(`loading the library: ${what}`, { cause })
  }
}

const failure = new BigUint64Array(1)

/** Calls a function that can fail, and throws its error. `failure` is its last argument. */
function check(name, ...args) {
  const functions = library()
  if (functions[name](...args, failure) === 0) return
  try {
    throw errorOf(functions.error_json(failure[0]))
  } finally {
    functions.error_free(failure[0])
  }
}

/** The text at an address. Long ones of ASCII, such as all prices, are copied and not decoded. */
function textOf(address) {
  const length = library().strlen(address)
  if (length < 100_000) return koffi.decode.string(address)
  const bytes = Buffer.from(koffi.view(address, length))
  return isAscii(bytes) ? bytes.latin1Slice() : bytes.utf8Slice()
}

module.exports = { ABI_VERSION, DECLARATIONS, check, library, textOf }
