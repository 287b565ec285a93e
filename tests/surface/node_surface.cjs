// Reads the public interface of the Node package.
//
//     node node_surface.cjs MODULES LIB    prints the interface of the package in the folder LIB as
//                                          JSON; MODULES is a folder with typescript and koffi
//
// The declarations of index.d.ts are compared with the objects that `require` returns: a difference
// is an error of this program.

const Module = require('node:module')
const path = require('node:path')

const [modules, lib] = process.argv.slice(2).map((folder) => path.resolve(folder))
process.env.NODE_PATH = modules
Module._initPaths()
const ts = require('typescript')

const REQUIRED = 'required'
const FIELD = 'field'
const UNDEFINED = ts.TypeFlags.Undefined

const program = ts.createProgram([path.join(lib, 'index.d.ts')], { strict: true, types: [] })
const checker = program.getTypeChecker()
const source = program.getSourceFile(path.join(lib, 'index.d.ts'))

const documentation = (symbol) => ts.displayPartsToString(symbol.getDocumentationComment(checker))

/** The value of a text such as `90,000` or `'wait'`. */
function parse(text) {
  const word = text.replace(/['"`,]/g, '')
  return /^\d+$/.test(word) ? Number(word) : ({ true: true, false: false }[word] ?? word)
}

/**
 * The default that the documentation of an option states, or null. Words such as `no limit by
 * default` state none, nor does the name of an environment variable.
 */
function documentedDefault(symbol) {
  const text = documentation(symbol).replace(/\s+/g, ' ')
  const found =
    text.match(/(`[a-z]\w*`|\b\d[\d,]*) by default/) ??
    text.match(/\b[Tt]he default is (`?'?[\w,]+)/) ??
    text.match(/(`\w+`)[^.;]*? \(the default\)/)
  return found ? parse(found[1]) : null
}

const parts = (type) => (type.isUnion() ? type.types : [type])

/** The texts of a field whose type is a union of texts; undefined for another type. */
function textsOf(type) {
  const texts = parts(type)
    .filter((part) => part.isStringLiteral())
    .map((part) => part.value)
  return texts.length > 1 ? texts : undefined
}

/** The properties of an options type, which can be a union, each with all its declarations. */
function properties(type) {
  const found = new Map()
  for (const part of parts(checker.getNonNullableType(type))) {
    for (const symbol of checker.getPropertiesOfType(part)) {
      if (!found.has(symbol.name)) found.set(symbol.name, [])
      found.get(symbol.name).push(symbol)
    }
  }
  return [...found]
}

const isOptional = (symbol) => Boolean(symbol.flags & ts.SymbolFlags.Optional)

/** The options of a call: an option is required if every form of the call requires it. */
function options(type) {
  const forms = parts(checker.getNonNullableType(type)).length
  const result = {}
  for (const [name, symbols] of properties(type)) {
    // `countries?: undefined` states that the call has no such option.
    const isExcluded = symbols.every((symbol) => checker.getTypeOfSymbol(symbol).flags & UNDEFINED)
    if (isExcluded) continue
    const isRequired = symbols.length === forms && !symbols.some(isOptional)
    const defaults = symbols.map(documentedDefault)
    result[name] = isRequired ? REQUIRED : (defaults.find((value) => value !== null) ?? null)
  }
  return result
}

/** The arguments of a method: the positional ones, then the options. */
function argumentsOf(signature) {
  const result = {}
  for (const symbol of signature.getParameters()) {
    const declaration = symbol.valueDeclaration
    const type = checker.getTypeOfSymbolAtLocation(symbol, declaration)
    if (['options', 'resolution'].includes(symbol.name)) Object.assign(result, options(type))
    else result[symbol.name] = declaration.questionToken ? null : REQUIRED
  }
  return result
}

function membersOf(type) {
  const members = {}
  for (const symbol of checker.getPropertiesOfType(type)) {
    const { name, valueDeclaration: declaration } = symbol
    // Symbols such as `Symbol.dispose`, and the members of Error and Array.
    if (name.startsWith('__@') || declaration?.getSourceFile() !== source) continue
    const memberType = checker.getTypeOfSymbolAtLocation(symbol, declaration)
    const [signature] = memberType.getCallSignatures()
    members[name] = signature ? argumentsOf(signature) : (textsOf(memberType) ?? FIELD)
  }
  return members
}

/** The members that the declaration of a class itself contains. */
const ownMembers = (members, declaration) =>
  Object.fromEntries(
    Object.entries(members).filter(([name]) =>
      declaration.members.some((member) => member.name?.getText() === name)
    )
  )

/** The types of options, which the arguments of the methods include. */
const OPTIONS = /(Options|Choice|Features|Limit|Countries|Resolution)$/

const surface = {}
for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(source))) {
  const type = checker.getDeclaredTypeOfSymbol(symbol)
  const declaration = symbol.declarations[0]
  if (ts.isInterfaceDeclaration(declaration) || ts.isTypeAliasDeclaration(declaration)) {
    if (OPTIONS.test(symbol.name)) continue
    surface[symbol.name] = { extends: null, members: membersOf(type) }
    continue
  }
  const base = declaration.heritageClauses?.[0].types[0].expression.getText() ?? null
  const members = membersOf(type)
  const publicConstructor = declaration.members.find(
    (member) => ts.isConstructorDeclaration(member) && !ts.getCombinedModifierFlags(member)
  )
  if (publicConstructor) {
    members.new = argumentsOf(checker.getSignatureFromDeclaration(publicConstructor))
  }
  for (const member of checker.getPropertiesOfType(checker.getTypeOfSymbol(symbol))) {
    if (member.name === 'prototype' || member.valueDeclaration?.getSourceFile() !== source) continue
    const [signature] = checker.getTypeOfSymbol(member).getCallSignatures()
    members[member.name] = argumentsOf(signature)
  }
  const own = ownMembers(members, declaration)
  surface[symbol.name] = { extends: base === 'Error' ? null : base, members, own }
}

// The objects of the package: the same classes, with the same parents and methods.
const objects = require(path.join(lib, 'index.js'))
const problems = []
function check(what, declared, found) {
  const [left, right] = [declared, found].map((names) => JSON.stringify([...names].sort()))
  if (left !== right) problems.push(`${what}: declared ${left}, but the object has ${right}`)
}
const classes = Object.keys(surface).filter((name) => surface[name].own)
check('the exported classes', classes, Object.keys(objects))
for (const name of classes.filter((name) => objects[name])) {
  const parent = Object.getPrototypeOf(objects[name]).name
  check(`${name} extends`, [surface[name].extends ?? ''], [parent === 'Error' ? '' : parent])
  const methods = Object.entries(surface[name].own)
    .filter(([member, value]) => value !== FIELD && !Array.isArray(value) && member !== 'new')
    .map(([member]) => member)
  const real = [objects[name].prototype, objects[name]]
    .flatMap((object) => Object.getOwnPropertyNames(object))
    .filter((member) => !['constructor', 'name', 'prototype', 'length'].includes(member))
  check(`the methods of ${name}`, methods, real)
}
if (problems.length > 0) throw new Error(problems.join('\n'))

const { CLASS_OF_KIND } = require(path.join(lib, 'errors.js'))
const kinds = Object.entries(CLASS_OF_KIND).map(([kind, { name }]) => [kind, name])
surface.kinds = { extends: null, members: Object.fromEntries(kinds) }
for (const [name, declared] of Object.entries(surface)) {
  const members = declared.extends ? declared.own : declared.members
  surface[name] = { extends: declared.extends, members }
}
console.log(JSON.stringify(surface))
