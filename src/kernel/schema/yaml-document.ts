// What people write by hand (procedures, routes, settings): YAML or JSON text, read into checked values, with line and column for every mistake.

import { Buffer } from 'node:buffer'
import { createRequire } from 'node:module'
import type { ParsedNode } from 'yaml'
import { asPolityError, PolityError } from '../errors.ts'
import { pointerPart, type Static, type TSchema, type Violation, validate } from './schema.ts'

const require = createRequire(import.meta.url)
/** Loaded with the first text: it takes some MiB, and most hubs never read one. */
const yaml = (): typeof import('yaml') => require('yaml')

export const YAML_SIZE_MAX_BYTES = 262_144
const YAML_DEPTH_MAX = 64
/** Values of a document with all aliases written out. */
const YAML_VALUES_MAX = 50_000
const MISTAKES_MAX = 20

/** Where something stands in a text; both count from 1. */
export interface TextPlace {
  readonly line: number
  readonly column: number
}

export interface YamlDocument {
  readonly value: unknown
  /** Place of the value at an RFC 6901 pointer; of the nearest one around it where there is none. */
  placeOf(pointer: string): TextPlace
  /** Runs a check of the value; `input.invalid` and `secret.plaintext` that it throws get line and column. */
  check<T>(body: () => T): T
}

/**
 * Reads one document and checks it against a closed schema. `source` names the text in errors, such as a file.
 * Throws `input.invalid` with `violations: [{ pointer, message, line, column }]`, `secret.plaintext`.
 */
export function readYaml<T extends TSchema>(schema: T, text: string, source: string): Static<T> {
  const document = parseYaml(text, source)
  return document.check(() => validate(schema, document.value, source))
}

/**
 * YAML 1.2 core schema, of which JSON is a part, and only what means the same to every reader: one document,
 * text keys that are unique, no tags, no merge keys, aliases within bounds, numbers that JSON can hold.
 * Throws `input.invalid`.
 */
export function parseYaml(text: string, source: string): YamlDocument {
  const refuse = (offset: number, message: string, pointer = ''): never => {
    throw invalid(source, [{ pointer, message, ...placeAt(text, offset) }])
  }
  if (Buffer.byteLength(text) > YAML_SIZE_MAX_BYTES)
    refuse(0, `the text has more than ${YAML_SIZE_MAX_BYTES} bytes`)
  refuseDeepFlow(text, refuse)
  const document = composed(text, source, refuse)
  const offsets = new Map<string, number>()
  const value = document === null ? null : plainValue(document, offsets, refuse)
  const placeOf = (pointer: string): TextPlace => placeAt(text, nearest(offsets, pointer))
  return { value, placeOf, check: (body) => placed(source, placeOf, body) }
}

type Refuse = (offset: number, message: string, pointer?: string) => never

/** Brackets are counted before anything recursive sees them. */
function refuseDeepFlow(text: string, refuse: Refuse): void {
  let depth = 0
  let offset = 0
  for (const token of new (yaml().Lexer)().lex(text)) {
    if (token === '[' || token === '{') depth += 1
    else if (token === ']' || token === '}') depth -= 1
    if (depth > YAML_DEPTH_MAX) refuse(offset, `is nested deeper than ${YAML_DEPTH_MAX} levels`)
    if (!LEXER_MARKS.has(token)) offset += token.length
  }
}

/** Tokens that the lexer puts between those of the text: start of a document, end of a broken flow, start of a scalar. */
const LEXER_MARKS = new Set(['\u0002', '\u0018', '\u001f'])

function composed(text: string, source: string, refuse: Refuse): ParsedNode | null {
  const document = yaml().parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    resolveKnownTags: false,
    stringKeys: true,
    // Checked below: the library compares every key with every other.
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'error',
  })
  const wrong = [...document.errors, ...document.warnings].slice(0, MISTAKES_MAX)
  if (wrong.length > 0)
    throw invalid(
      source,
      wrong.map(({ pos: [offset], message }) => ({ pointer: '', message, ...placeAt(text, offset) })),
    )
  const { explicit, version } = document.directives?.yaml ?? {}
  if (explicit && version !== '1.2') refuse(0, 'must be YAML 1.2')
  return document.contents
}

/** The plain value of a node; written out by hand so that aliases, keys and depth stay within bounds. */
function plainValue(root: ParsedNode, offsets: Map<string, number>, refuse: Refuse): unknown {
  const anchors = new Map<string, ParsedNode>()
  let left = YAML_VALUES_MAX
  const readNode = (node: ParsedNode | null, pointer: string, offset: number, depth: number): unknown => {
    if (!offsets.has(pointer)) offsets.set(pointer, offset)
    const here = node?.range[0] ?? offset
    if (depth > YAML_DEPTH_MAX) refuse(here, `is nested deeper than ${YAML_DEPTH_MAX} levels`, pointer)
    if (--left < 0) refuse(here, `the document has more than ${YAML_VALUES_MAX} values`, pointer)
    if (node === null) return null
    if (yaml().isAlias(node)) {
      const target =
        anchors.get(node.source) ?? refuse(here, `no anchor &${node.source} stands before`, pointer)
      return readNode(target, pointer, here, depth + 1)
    }
    if (node.tag !== undefined) refuse(here, 'tags are not accepted', pointer)
    if (node.anchor !== undefined) anchors.set(node.anchor, node)
    if (yaml().isScalar(node)) return scalarValue(node.value, () => refuse(here, NUMBER_SENTENCE, pointer))
    if (yaml().isSeq(node))
      return node.items.map((item, i) => {
        const child = item as ParsedNode
        return readNode(child, `${pointer}/${i}`, child.range[0], depth + 1)
      })
    return mapValue(node.items, pointer, refuse, (item, name, at) =>
      readNode(item, `${pointer}/${pointerPart(name)}`, at, depth + 1),
    )
  }
  return readNode(root, '', root.range[0], 0)
}

const NUMBER_SENTENCE = 'is a number that JSON cannot hold exactly: write it as text'

function scalarValue(value: unknown, refuse: () => never): unknown {
  if (typeof value !== 'number') return value
  const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
  return isExact ? value : refuse()
}

function mapValue(
  items: readonly { readonly key: unknown; readonly value: unknown }[],
  pointer: string,
  refuse: Refuse,
  readNode: (item: ParsedNode | null, name: string, offset: number) => unknown,
): Readonly<Record<string, unknown>> {
  const members = new Map<string, unknown>()
  for (const { key, value } of items) {
    const node = key as ParsedNode
    const at = node.range[0]
    const name =
      yaml().isScalar(node) && typeof node.value === 'string'
        ? node.value
        : refuse(at, 'keys must be text', pointer)
    if (yaml().isScalar(node) && node.source === '<<' && node.type === 'PLAIN')
      refuse(at, 'merge keys (<<) are not accepted: write the members out', pointer)
    if (node.tag !== undefined) refuse(at, 'tags are not accepted', pointer)
    if (members.has(name)) refuse(at, `the key ${shown(name)} stands here twice`, pointer)
    members.set(name, readNode(value as ParsedNode | null, name, at))
  }
  return Object.fromEntries(members)
}

const shown = (name: string) => JSON.stringify(name.slice(0, 128))

function placed<T>(source: string, placeOf: (pointer: string) => TextPlace, body: () => T): T {
  try {
    return body()
  } catch (thrown) {
    const error = asPolityError(thrown)
    const { violations, pointer } = error.facts as Partial<{ violations: Violation[]; pointer: string }>
    if (error.code === 'secret.plaintext' && pointer !== undefined) {
      const place = placeOf(pointer)
      throw new PolityError(error.code, `${source}:${place.line}:${place.column}: ${error.message}`, {
        ...error.facts,
        ...place,
      })
    }
    if (error.code !== 'input.invalid' || violations === undefined) throw thrown
    throw invalid(
      source,
      violations.map((violation) => ({ ...violation, ...placeOf(violation.pointer) })),
    )
  }
}

const invalid = (source: string, violations: readonly (Violation & TextPlace)[]): PolityError => {
  const [first] = violations
  const where = first === undefined ? source : `${source}:${first.line}:${first.column}`
  const what = first === undefined ? 'is not valid' : `${first.pointer} ${first.message}`.trimStart()
  return new PolityError('input.invalid', `${where}: ${what}`, { violations })
}

function nearest(offsets: ReadonlyMap<string, number>, pointer: string): number {
  let at = pointer
  while (!offsets.has(at) && at !== '') at = at.slice(0, Math.max(0, at.lastIndexOf('/')))
  return offsets.get(at) ?? 0
}

function placeAt(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}
