// What a route is: a method and a path, who may come in, and a function from a request to an answer.

import type { IncomingHttpHeaders } from 'node:http'
import type { Readable } from 'node:stream'
import type { Caller } from '../../kernel/catalog/caller.ts'
import type { ErrorCode } from '../../kernel/errors.ts'
import type { TSchema } from '../../kernel/schema/schema.ts'
import type { Client } from './client-address.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE' | 'OPTIONS'

export interface HttpRequest {
  /** Names this request in logs and in answers about internal errors. */
  readonly id: string
  readonly caller: Caller | undefined
  readonly headers: IncomingHttpHeaders
  readonly client: Client
  /** Parts of the path, percent-decoded. */
  readonly params: Readonly<Record<string, string>>
  readonly search: URLSearchParams
  /** Parsed JSON, or the bytes of a route that takes any; undefined when there was no body. */
  readonly body: unknown
  /** Aborts when the client has gone or the door closes. */
  readonly signal: AbortSignal
}

export interface PrincipalRequest extends HttpRequest {
  readonly caller: Caller
}

export interface HttpAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array | Readable
}

export type Handle<R extends HttpRequest> = (request: R) => HttpAnswer | Promise<HttpAnswer>

/** Bounded: these are label values of metrics. */
export type RouteClass =
  | 'page'
  | 'health'
  | 'session'
  | 'action'
  | 'query'
  | 'resource'
  | 'run'
  | 'log'
  | 'events'
  | 'hook'
  | 'decision'
  | 'gateway'
  | 'meta'

interface Shared {
  readonly method: Method
  /** `{name}` is one part of the path, `{name*}` at the end is the rest of it. */
  readonly path: string
  readonly class: RouteClass
  readonly bodySizeMaxBytes?: number
  /** The body comes as it is, whatever its media type: those of C2SP protocols have none. Default: JSON. */
  readonly takesBytes?: boolean
  /** A query of the catalog that whoever comes in must be permitted to ask: a principal, or this machine as the hub. */
  readonly permission?: string
  /** What OpenAPI says about it: none for the page's files, several for a route that stands for many. */
  readonly docs?: readonly RouteDoc[]
}

/**
 * `open`: anybody. `optional`: anybody, and who it is if that can be told. `loopback`: anybody on
 * this machine, in the name of the hub; principals from elsewhere. `principal`: whoever shows a valid token or session.
 */
export type Route = Shared &
  (
    | { readonly access: 'open' | 'optional' | 'loopback'; readonly handle: Handle<HttpRequest> }
    | { readonly access: 'principal'; readonly handle: Handle<PrincipalRequest> }
  )

export interface RouteDoc {
  /** Default: the path of the route. */
  readonly path?: string
  readonly operationId: string
  readonly summary: string
  readonly tag: string
  readonly parameters?: readonly ParameterDoc[]
  /** Schema of the JSON body. */
  readonly body?: { readonly schema: object; readonly isRequired: boolean }
  readonly answers: Readonly<Record<number, AnswerDoc>>
  readonly errors: readonly ErrorCode[]
}

export interface ParameterDoc {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly description?: string
  readonly isRequired: boolean
  readonly schema: TSchema | object
}

export interface AnswerDoc {
  readonly description: string
  /** Default: application/json when there is a schema. */
  readonly mediaType?: string
  readonly schema?: TSchema | object
  readonly headers?: readonly string[]
}

/** How the hub is, and what it serves. */
export const STATUS_READ = 'hub.status'

/** Entries, their proofs and the live stream. */
export const LOG_READ = 'log.read'

export const json = (
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(value),
})

export const text = (
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', ...headers },
  body,
})

/** The names of the parts of a path, in order. */
export const partsOf = (path: string): string[] =>
  [...path.matchAll(/\{([^}*]+)\*?\}/g)].map(([, name]) => name ?? '')
