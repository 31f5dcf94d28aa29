import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openHub } from '../../hub.ts'
import { ERROR_CODES } from '../../kernel/errors.ts'
import { attest } from '../../modules/attest/module.ts'
import { state } from '../../modules/state/module.ts'
import { serve } from './fixtures/served.ts'
import type { OpenApi, Operation } from './openapi.ts'

type Served = Awaited<ReturnType<typeof serve>>

const STATUS = /^[1-5][0-9]{2}$/
const SCHEMA_TYPES = ['string', 'integer', 'number', 'boolean', 'array', 'object', 'null']

describe('the OpenAPI document', () => {
  let served: Served
  let document: OpenApi
  beforeAll(async () => {
    served = await serve(await openHub({ modules: [state, attest] }))
    document = (await served.owner('/v1/openapi.json')).json as OpenApi
  })
  afterAll(() => served[Symbol.asyncDispose]())

  const operations = (): { path: string; method: string; operation: Operation }[] =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )

  it('is OpenAPI 3.1 about this release', () => {
    expect(document).toMatchObject({
      openapi: '3.1.1',
      info: { title: 'Polity', version: served.hub.release },
    })
    expect(Object.keys(document).sort()).toEqual([
      'components',
      'info',
      'openapi',
      'paths',
      'servers',
      'tags',
    ])
  })

  it('has every action, every query and every resourceful path of the catalog', () => {
    for (const { kind, name, http } of served.hub.catalog.definitions) {
      const base = name.slice(0, name.indexOf('@'))
      if (kind === 'command') expect(document.paths[`/v1/actions/${base}`]?.post?.operationId).toBe(base)
      else expect(Object.keys(document.paths[`/v1/queries/${base}`] ?? {}).sort()).toEqual(['get', 'post'])
      if (http?.path)
        expect(document.paths[`/v1/${http.path}`]).toHaveProperty(kind === 'command' ? 'put' : 'get')
    }
  })

  it('describes what is served: no operation of it is unknown or has another method', async () => {
    for (const { path, method } of operations()) {
      const real = path.replaceAll(/\{[^}]+\}/g, '0')
      const { status, json } = await served.anyone(real, {
        method: method.toUpperCase(),
        ...(path === '/v1/events' ? { method: 'HEAD' } : {}),
      })
      expect([path, method, status === 405 || (json as { code?: string })?.code === 'route.unknown']).toEqual(
        [path, method, false],
      )
    }
  })

  it('is well formed: operations', () => {
    const ids = operations().map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).toBe(ids.length)
    const tags = document.tags.map(({ name }) => name)
    for (const { path, operation } of operations()) {
      expect(operation.summary.length).toBeGreaterThan(0)
      for (const tag of operation.tags) expect(tags).toContain(tag)
      const parameters = (operation.parameters ?? []) as {
        name: string
        in: string
        required: boolean
        schema: object
      }[]
      const inPath = parameters.filter((each) => each.in === 'path')
      expect([path, inPath.map(({ name }) => name).sort()]).toEqual([
        path,
        [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name).sort(),
      ])
      expect(inPath.every(({ required }) => required)).toBe(true)
      expect(new Set(parameters.map((each) => `${each.in} ${each.name.toLowerCase()}`)).size).toBe(
        parameters.length,
      )
      for (const parameter of parameters) {
        expect(['path', 'query', 'header']).toContain(parameter.in)
        expect(parameter.schema).toBeTypeOf('object')
      }
    }
  })

  it('is well formed: answers', () => {
    for (const { operation } of operations()) {
      const statuses = Object.keys(operation.responses)
      expect(statuses.some((status) => status.startsWith('2'))).toBe(true)
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(STATUS)
        expect((response as { description: string }).description.length).toBeGreaterThan(0)
      }
    }
  })

  it('names every error that a definition declares, under its status', () => {
    for (const { kind, name, errors = [] } of served.hub.catalog.definitions) {
      const base = name.slice(0, name.indexOf('@'))
      const operation =
        kind === 'command'
          ? document.paths[`/v1/actions/${base}`]?.post
          : document.paths[`/v1/queries/${base}`]?.get
      for (const code of [...errors, 'input.invalid', 'denied', 'auth.missing'] as const)
        expect(JSON.stringify(operation?.responses[ERROR_CODES[code]])).toContain(`"${code}"`)
    }
    const { Problem } = document.components.schemas as {
      Problem: { properties: { code: { enum: string[] } } }
    }
    expect(Problem.properties.code.enum).toEqual(Object.keys(ERROR_CODES))
  })

  it('asks for a token or the session where the door does', () => {
    const securityOf = (path: string, method: string) => document.paths[path]?.[method]?.security
    expect(securityOf('/v1/status', 'get')).toEqual([{ token: [] }, { session: [] }])
    expect(securityOf('/log/checkpoint', 'get')).toEqual([])
    expect(securityOf('/health', 'get')).toContainEqual({})
    for (const { operation } of operations())
      for (const scheme of operation.security.flatMap((each) => Object.keys(each)))
        expect(document.components.securitySchemes).toHaveProperty(scheme)
  })

  it('shows nouns as components and resolves every reference', () => {
    expect(document.components.schemas).toHaveProperty(['state.document'])
    const references: string[] = []
    walk(document, (node) => {
      if (typeof node.$ref === 'string') references.push(node.$ref)
    })
    expect(references).toContain('#/components/schemas/state.document')
    for (const reference of references)
      expect([reference, resolve(document, reference)]).toEqual([reference, expect.any(Object)])
  })

  it('holds schemas of JSON Schema 2020-12 only', () => {
    let schemas = 0
    walk(document, (node) => {
      const { schema } = node
      if (typeof schema !== 'object' || schema === null) return
      schemas += 1
      walk(schema, ({ type, required, properties }) => {
        if (typeof type === 'string') expect(SCHEMA_TYPES).toContain(type)
        if (Array.isArray(required) && typeof properties === 'object')
          expect(Object.keys(properties ?? {})).toEqual(expect.arrayContaining(required))
      })
    })
    expect(schemas).toBeGreaterThan(50)
  })

  it('spells inputs as the door takes them', async () => {
    const { requestBody, parameters } = document.paths['/v1/state/{namespace}/{key}']?.put ?? {}
    expect(requestBody).toMatchObject({
      required: true,
      content: { 'application/json': { schema: { required: ['value'], additionalProperties: false } } },
    })
    expect(parameters).toContainEqual(
      expect.objectContaining({ name: 'If-Match', in: 'header', required: false }),
    )
    const { parameters: listing } = document.paths['/v1/state/{namespace}']?.get ?? {}
    expect(listing).toContainEqual(
      expect.objectContaining({
        name: 'limit',
        in: 'query',
        schema: expect.objectContaining({ type: 'integer', maximum: 1000 }),
      }),
    )
  })

  it('is not sent twice', async () => {
    const { headers } = await served.owner('/v1/openapi.json')
    expect(
      (await served.owner('/v1/openapi.json', { headers: { 'if-none-match': String(headers.etag) } })).status,
    ).toBe(304)
  })
})

type Node = Readonly<Record<string, unknown>>

function walk(value: unknown, visit: (node: Node) => void): void {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) visit(value as Node)
  for (const each of Object.values(value)) walk(each, visit)
}

const resolve = (document: object, reference: string): unknown =>
  reference
    .slice(2)
    .split('/')
    .reduce<unknown>((at, part) => (at as Node | undefined)?.[part], document)
