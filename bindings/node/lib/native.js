// The native library: the functions of the C interface that this package calls.
//
// All of them return at once, so the event loop may call them: `client_finish` gets no time to
// wait. Handles are addresses (bigint). Output arguments are typed arrays of one element.

const { isAscii } = require('node:buffer')
const koffi = require('./koffi.js')
const { isTruncated } = require('./elf.js')
const { ConfigError, createError } = require('./errors.js')
const { permissionRemedy, reasonOf } = require('./host.js')
const { locateLibrary } = require('./locate.js')

/** SASTAOTP_ABI_VERSION of the header that DECLARATIONS is copied from. */
const ABI_VERSION = 0

/** SASTAOTP_NO_BUDGET */
const NO_BUDGET = 2n ** 63n - 1n

/** The fields of sastaotp_config, copied verbatim from include/sastaotp.h; a test compares them. */
const CONFIG_FIELDS = `
size_t size;
const char *api_key;
const char *base_url;
const char *user_agent;
const char *proxy;
const char *ca_pem;
size_t ca_pem_length;
const char *journal;
int64_t budget_micros;
uint32_t max_connections;
uint32_t timeout_ms;
uint32_t late_booking_ms;
uint32_t max_requests_per_minute;
sastaotp_api_key_location api_key_location;
sastaotp_roots roots;
sastaotp_durability durability;
bool journal_on_network;
bool from_env;
uint8_t reserved[10];
`
  .trim()
  .split('\n')

/** Copied like CONFIG_FIELDS, with lines broken, and without SASTAOTP_MUST_USE and `struct`. */
const DECLARATIONS = `
uint32_t sastaotp_abi_version(void);
const char *sastaotp_error_json(const sastaotp_error *error);
void sastaotp_error_free(sastaotp_error *error);
sastaotp_status sastaotp_amount_parse(const char *rupees, int64_t *micros, sastaotp_error **error);
sastaotp_status sastaotp_client_new(const sastaotp_config *config, sastaotp_client **client,
  sastaotp_error **error);
sastaotp_status sastaotp_client_finish(const sastaotp_client *client, uint32_t timeout_ms,
  sastaotp_unclaimed_list **list, sastaotp_error **error);
void sastaotp_client_free(sastaotp_client *client);
const char *sastaotp_unclaimed_list_json(const sastaotp_unclaimed_list *list);
void sastaotp_unclaimed_list_free(sastaotp_unclaimed_list *list);
sastaotp_status sastaotp_queue_new(const sastaotp_client *client, uint32_t workers,
  sastaotp_queue **queue, sastaotp_error **error);
sastaotp_status sastaotp_queue_submit_held(const sastaotp_queue *queue, const char *operation,
  void *user, uint64_t *ticket, sastaotp_error **error);
bool sastaotp_queue_cancel(const sastaotp_queue *queue, uint64_t ticket);
bool sastaotp_queue_release(const sastaotp_queue *queue, uint64_t ticket);
sastaotp_status sastaotp_queue_take(const sastaotp_queue *queue, sastaotp_completion **completions,
  size_t capacity, uint32_t timeout_ms, size_t *count, sastaotp_error **error);
intptr_t sastaotp_queue_fd(const sastaotp_queue *queue);
void sastaotp_queue_free(sastaotp_queue *queue);
sastaotp_status sastaotp_intent_from_json(const char *json, sastaotp_intent **intent,
  sastaotp_error **error);
void sastaotp_intent_free(sastaotp_intent *intent);
uint64_t sastaotp_completion_ticket(const sastaotp_completion *completion);
const char *sastaotp_completion_json(const sastaotp_completion *completion);
const sastaotp_activation *sastaotp_completion_activation(const sastaotp_completion *completion);
const char *sastaotp_activation_id(const sastaotp_activation *activation);
const sastaotp_error *sastaotp_completion_error(const sastaotp_completion *completion);
void sastaotp_completion_free(sastaotp_completion *completion);
`
  .trim()
  .replaceAll('\n  ', ' ')
  .split('\n')

/** The library that contains `strlen`: null is the program, which on Windows does not export it. */
const LIBC = process.platform === 'win32' ? 'ucrtbase.dll' : null

/** The result of this function may be megabytes long: `readText` reads it from its address. */
const LONG_TEXT = 'completion_json'

/** The length from which a text is long, in bytes. */
const LONG_TEXT_LENGTH = 100_000

/** A C type for koffi. Not a named one: names are global, so two copies of this package collide. */
function koffiType(cType) {
  if (cType === 'const char *') return 'const char *'
  if (cType === 'const sastaotp_config *') return koffi.pointer(CONFIG)
  if (cType.includes('*')) return 'void *'
  // Every other type of the header is an enumeration with the size of an int32_t; a test checks it.
  return cType.startsWith('sastaotp_') ? 'int32_t' : cType
}

/** The name and the type of a field, such as `const char *api_key;` or `uint8_t reserved[6];`. */
function koffiField(field) {
  const [, cType, name, length] = field.match(/^(.+?)(\w+)(?:\[(\d+)\])?;$/)
  const type = koffiType(cType.trim())
  return [name, length ? koffi.array(type, Number(length)) : type]
}

const CONFIG = koffi.struct(Object.fromEntries(CONFIG_FIELDS.map(koffiField)))

/** A sastaotp_config like SASTAOTP_CONFIG_INIT: fields that are absent are NULL, 0 or false. */
const newConfig = () => ({ size: koffi.sizeof(CONFIG), budget_micros: NO_BUDGET })

function bind(library, declaration) {
  const [, result, name, list] = declaration.match(/^(.+?[ *])(sastaotp_\w+)\((.*)\);$/)
  const parameters = list === 'void' ? [] : list.split(', ')
  const types = parameters.map((parameter) => koffiType(parameter.replace(/\w+$/, '').trim()))
  const shortName = name.replace('sastaotp_', '')
  const resultType = shortName === LONG_TEXT ? 'void *' : koffiType(result.trim())
  return [shortName, library.func(name, resultType, types)]
}

let loaded

/** The native functions by name, without `sastaotp_`. The first call loads the library. */
function native() {
  loaded ??= load()
  return loaded
}

function open(file) {
  // The system would load it, and end the process later.
  if (process.platform === 'linux' && isTruncated(file)) {
    throw new Error('the end of the file is missing')
  }
  return koffi.load(file)
}

/** The remedy for a file that the system's loader refuses for this reason. */
function loaderRemedy(file, reason) {
  const [, glibc] = reason.match(/version `GLIBC_([\d.]+)' not found/) ?? []
  return glibc
    ? `${file} needs glibc ${glibc} or newer: use a newer system, or build the library on this one`
    : `${file} is damaged or for another system: install sastaotp again, or build the library`
}

function bindAll(library) {
  const functions = Object.fromEntries(DECLARATIONS.map((line) => bind(library, line)))
  functions.strlen = koffi.load(LIBC).func('strlen', 'size_t', ['void *'])
  const version = functions.abi_version()
  if (version === ABI_VERSION) return functions
  throw new Error(`its binary interface has version ${version}, not ${ABI_VERSION}`)
}

/** Takes a step of loading. If it fails, adds the remedy to the reason. */
function attempt(step, remedyFor) {
  try {
    return step()
  } catch (cause) {
    const remedy = permissionRemedy(cause) ?? remedyFor(cause.message)
    const message = `loading the library: ${reasonOf(cause)}${remedy ? `: ${remedy}` : ''}`
    throw new ConfigError(message, { cause })
  }
}

function load() {
  // An error of this step names its remedy.
  const file = attempt(locateLibrary, () => undefined)
  const library = attempt(
    () => open(file),
    (reason) => loaderRemedy(file, reason)
  )
  return attempt(
    () => bindAll(library),
    () => `use the library of this package's version (${file})`
  )
}

const errorOut = new BigUint64Array(1)

/** Calls a function that can fail, with the error output as its last argument; throws its error. */
function callNative(name, ...args) {
  const functions = native()
  if (functions[name](...args, errorOut) === 0) return
  try {
    throw createError(JSON.parse(functions.error_json(errorOut[0])))
  } finally {
    functions.error_free(errorOut[0])
  }
}

/** The bytes at an address as a string. A long ASCII text is copied without decoding. */
function readLongText(address, length) {
  const bytes = Buffer.from(koffi.view(address, length))
  return isAscii(bytes) ? bytes.latin1Slice() : bytes.utf8Slice()
}

/** Whether the host allows JavaScript to read the library's memory. Electron does not. */
let canView = true

/** Reads the text at an address. */
function readText(address) {
  const length = native().strlen(address)
  if (canView && length >= LONG_TEXT_LENGTH) {
    try {
      return readLongText(address, length)
    } catch {
      canView = false
    }
  }
  return koffi.decode.string(address, length)
}

module.exports = {
  ABI_VERSION,
  callNative,
  CONFIG_FIELDS,
  DECLARATIONS,
  native,
  newConfig,
  readText
}
