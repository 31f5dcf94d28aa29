// What others may know about shared state: versioned JSON documents per namespace.

import { command, noun, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { entryType } from '../../kernel/log/entry.ts'
import { view } from '../../kernel/log/view.ts'
import { Described, Integer, Json, Key, Name, Private, Type } from '../../kernel/schema/schema.ts'

export const Document = noun('state.document', {
  namespace: Name,
  key: Key,
  version: Integer,
  value: Private(Json),
})

export const DocumentWritten = entryType('state.document-written@1', {
  namespace: Name,
  key: Key,
  value: Private(Json),
})

/** Current document per `namespace/key`; the row's version counts its writes. */
export const documents = view<{ readonly value: unknown }, typeof DocumentWritten>('state.documents', 1, {
  from: [DocumentWritten],
  keys: ({ data }) => [rowKey(data)],
  fold: (_, { data }) => ({ value: data.value }),
})

export const rowKey = ({ namespace, key }: { readonly namespace: string; readonly key: string }): string =>
  `${namespace}/${key}`

const Namespace = Described(Name, 'a namespace: letters, digits and ._-, starting with a letter or digit')
const DocumentKey = Described(Key, 'the key of a document: text without control characters')

/** Writes one document, if it still has the version that the caller saw (0: it must not exist). */
export const put = command('state.put@1', {
  summary: 'Writes one document, if it still has the version the caller saw.',
  input: {
    namespace: Namespace,
    key: DocumentKey,
    value: Described(Private(Json), 'the value of the document'),
    ifVersion: Type.Optional(
      Described(Integer, 'only if the document has this version; 0: only if there is none'),
    ),
  },
  output: Document,
  errors: ['state.stale'],
  risk: 'low',
  effect: 'atomic',
  resource: ({ namespace }) => `state/${namespace}`,
  facts: ['namespace', 'key'],
  cli: { positional: ['namespace', 'key', 'value'] },
  http: { path: 'state/{namespace}/{key}', etag: 'version', ifMatch: 'ifVersion' },
})

export const get = query('state.get@1', {
  summary: 'One document.',
  input: { namespace: Namespace, key: DocumentKey },
  output: Document,
  errors: ['not-found'],
  resource: ({ namespace }) => `state/${namespace}`,
  facts: ['namespace', 'key'],
  cli: { positional: ['namespace', 'key'] },
  http: { path: 'state/{namespace}/{key}', etag: 'version' },
})

export const list = query('state.list@1', {
  summary: 'The documents of a namespace, in key order.',
  input: {
    namespace: Namespace,
    ...paging(Described(Key, 'go on after this key')),
  },
  output: Page(Document),
  resource: ({ namespace }) => `state/${namespace}`,
  facts: ['namespace'],
  cli: { positional: ['namespace'] },
  http: { path: 'state/{namespace}' },
})
