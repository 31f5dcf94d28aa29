// Entity tags: what a representation is called, and what callers ask about it (RFC 9110 sections 8.8.3 and 13.1).

import type { IncomingHttpHeaders } from 'node:http'
import type { Definition } from '../../kernel/catalog/definition.ts'
import { PolityError } from '../../kernel/errors.ts'
import { isRecord } from './fields.ts'

const TAG = /^(W\/)?"([\x21\x23-\x7e]*)"$/

/** The entity tag of an output, from the field that the facet names. */
export function etagOf({ http }: Pick<Definition, 'http'>, output: unknown): string | undefined {
  if (http?.etag === undefined || !isRecord(output)) return undefined
  const value = output[http.etag]
  const tag = typeof value === 'string' || typeof value === 'number' ? `"${value}"` : ''
  return TAG.test(tag) ? tag : undefined
}

/** `If-None-Match` on a read: whether the caller has this representation already (weak comparison). Throws `input.invalid`. */
export function isKnown(headers: IncomingHttpHeaders, etag: string | undefined): boolean {
  const wanted = headers['if-none-match']
  if (wanted === undefined || etag === undefined) return false
  if (wanted.trim() === '*') return true
  return wanted.split(',').some((each) => `"${tagOf(each.trim(), 'If-None-Match')}"` === etag)
}

/**
 * The input field that a precondition of a write fills: `If-Match: "3"` asks for version 3,
 * `If-None-Match: *` for none. Throws `input.invalid` where a precondition cannot be honoured.
 */
export function preconditionOf(
  definition: Pick<Definition, 'name' | 'http' | 'input'>,
  headers: IncomingHttpHeaders,
): Record<string, unknown> {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch === undefined && ifNoneMatch === undefined) return {}
  const field = definition.http?.ifMatch
  if (field === undefined) throw invalid(`${definition.name} knows no preconditions`)
  if (ifMatch !== undefined && ifNoneMatch !== undefined)
    throw invalid('send If-Match or If-None-Match, not both')
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch.trim() !== '*') throw invalid('a write takes If-None-Match: * or If-Match: "TAG"')
    return { [field]: 0 }
  }
  const tag = tagOf(ifMatch?.trim() ?? '', 'If-Match')
  const isInteger = (definition.input[field] as { type?: string } | undefined)?.type === 'integer'
  if (isInteger && !/^(?:0|[1-9][0-9]{0,15})$/.test(tag))
    throw invalid(`If-Match: "${tag.slice(0, 64)}" is no version; send the ETag of a read`)
  return { [field]: isInteger ? Number(tag) : tag }
}

function tagOf(value: string, header: string): string {
  const [, weak, tag] = TAG.exec(value) ?? []
  if (tag === undefined) throw invalid(`${header} takes one entity tag in double quotes, such as "3"`)
  // RFC 9110 section 13.1.1: If-Match compares strongly, which a weak tag never satisfies.
  if (weak !== undefined && header === 'If-Match')
    throw invalid('If-Match takes a strong entity tag, without W/')
  return tag
}

const invalid = (message: string) => new PolityError('input.invalid', message)
