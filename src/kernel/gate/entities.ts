// The entity slice of a request: its principals with their roles, its action with its groups, its resource with its folders.

import type { EntityJson } from '@cedar-policy/cedar-wasm/nodejs'
import { PolityError } from '../errors.ts'
import type { Chain, Principal, PrincipalKind, Uid } from './types.ts'

export const ACTION_TYPE = 'Polity::Action'
export const ROLE_TYPE = 'Polity::Role'
const RESOURCE_TYPE = 'Polity::Resource'
const PRINCIPAL_TYPES: ReadonlyMap<string, string> = new Map<PrincipalKind, string>([
  ['user', 'Polity::User'],
  ['agent', 'Polity::Agent'],
  ['service', 'Polity::Service'],
  ['component', 'Polity::Component'],
  ['hub', 'Polity::Hub'],
])

const MAX_LINKS = 8
const MAX_ROLES = 64
const MAX_ID_CHARS = 256
const MAX_RESOURCE_CHARS = 512
const MAX_RESOURCE_SEGMENTS = 32

interface Slice {
  /** One per link of the chain, in its order. */
  readonly principals: readonly Uid[]
  readonly resource: Uid
  /** Sorted by type and id, each once. */
  readonly entities: readonly EntityJson[]
}

/**
 * Ids go to Cedar as JSON values, so no character in them can end a string or forge a type, and they
 * are compared unit by unit: look-alikes and other Unicode normal forms are other entities.
 *
 * Errors: `input.invalid`.
 */
export function sliceOf(chain: Chain, resource: string, actionEntities: readonly EntityJson[]): Slice {
  if (chain.length === 0) throw badRequest('the chain of principals is empty', {})
  if (chain.length > MAX_LINKS) throw badRequest(`the chain is longer than ${MAX_LINKS} links`, {})
  const entities = new Map<string, EntityJson>()
  for (const entity of actionEntities) entities.set(uidKey(uidOfEntity(entity)), entity)
  const principals = chain.map((link) => addPrincipal(entities, link))
  const resourceUid = addResource(entities, resource)
  const sorted = [...entities].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entity]) => entity)
  return { principals, resource: resourceUid, entities: sorted }
}

export function uidKey({ type, id }: Uid): string {
  return JSON.stringify([type, id])
}

/** The types that a request of this hub can hold, as a schema must list them under `appliesTo`. */
export const APPLIES_TO = {
  principalTypes: [...PRINCIPAL_TYPES.values()],
  resourceTypes: [RESOURCE_TYPE],
}

/** Every kind of entity once, for checking that a schema can hold what the hub supplies. */
export function sampleEntities(): readonly EntityJson[] {
  const kinds: PrincipalKind[] = ['user', 'agent', 'service', 'component', 'hub']
  return sliceOf(
    kinds.map((kind) => ({ kind, id: kind, roles: ['owner'] })),
    'folder/name',
    [],
  ).entities
}

export function badRequest(problem: string, facts: Readonly<Record<string, unknown>>): PolityError {
  return new PolityError('input.invalid', problem, facts)
}

/** A string that may reach Cedar, the log and a page: bounded, and without lone surrogates. */
export function checkText(text: unknown, what: string, maxChars: number): string {
  if (typeof text !== 'string') throw badRequest(`${what} is not a string`, {})
  if (text.length > maxChars) throw badRequest(`${what} is longer than ${maxChars} characters`, {})
  if (!text.isWellFormed()) throw badRequest(`${what} holds a lone surrogate`, {})
  return text
}

function addPrincipal(entities: Map<string, EntityJson>, { kind, id, roles }: Principal): Uid {
  const type = PRINCIPAL_TYPES.get(kind)
  if (type === undefined) throw badRequest('a principal of unknown kind', {})
  if (checkText(id, 'the id of a principal', MAX_ID_CHARS) === '')
    throw badRequest('a principal without id', {})
  if (roles.length > MAX_ROLES) throw badRequest(`a principal with more than ${MAX_ROLES} roles`, {})
  const names = [...new Set(roles.map((role) => checkText(role, 'a role', MAX_ID_CHARS)))].sort()
  const parents = names.map((name) => ({ type: ROLE_TYPE, id: name }))
  const uid = { type, id }
  const entity = { uid, attrs: { id }, parents }
  const known = entities.get(uidKey(uid))
  if (known !== undefined && JSON.stringify(known) !== JSON.stringify(entity)) {
    throw badRequest('the same principal appears twice with different roles', { kind, id })
  }
  entities.set(uidKey(uid), entity)
  for (const role of parents) entities.set(uidKey(role), { uid: role, attrs: {}, parents: [] })
  return uid
}

// `state/ns` lies in `state`. The path is a name and not a place: `.` and `..` mean nothing here.
function addResource(entities: Map<string, EntityJson>, path: string): Uid {
  if (checkText(path, 'the resource', MAX_RESOURCE_CHARS) === '')
    throw badRequest('the resource is empty', {})
  const ends = [...path.matchAll(/\//g)].map(({ index }) => index).filter((end) => end > 0)
  if (ends.length >= MAX_RESOURCE_SEGMENTS) {
    throw badRequest(`the resource has more than ${MAX_RESOURCE_SEGMENTS} segments`, {})
  }
  let parents: Uid[] = []
  let uid: Uid = { type: RESOURCE_TYPE, id: path }
  for (const end of [...ends, path.length]) {
    uid = { type: RESOURCE_TYPE, id: path.slice(0, end) }
    entities.set(uidKey(uid), { uid, attrs: { path: uid.id }, parents })
    parents = [uid]
  }
  return uid
}

function uidOfEntity({ uid }: EntityJson): Uid {
  return '__entity' in uid ? uid.__entity : uid
}
