// Rows of the compatibility table for clients of the older service registry: register, heartbeat, query.

import type { IncomingHttpHeaders } from 'node:http'
import { PolityError } from '../../kernel/errors.ts'
import { Closed, Type } from '../../kernel/schema/schema.ts'
import { type CompatiblePath, compatible } from './compatible-path.ts'

const Word = Type.String({ minLength: 1, maxLength: 128 })
const Url = Type.String({ minLength: 1, maxLength: 512 })
const TOKEN_HEADER = 'x-authentication-token'

const Service = Closed({
  component_id: Type.String(),
  name: Type.String(),
  version: Type.String(),
  type: Type.String(),
  endpoint: Type.String(),
  capabilities: Type.Array(Type.String()),
  metadata: Type.Record(Type.String(), Type.String()),
  healthy: Type.Boolean(),
  last_heartbeat: Type.Optional(Type.Number()),
})

const asked = {
  capability: Type.Optional(Word),
  component_type: Type.Optional(Word),
  type: Type.Optional(Word),
  healthy_only: Type.Optional(Type.Boolean()),
}

interface Asked {
  readonly capability?: string
  readonly component_type?: string
  readonly type?: string
  readonly healthy_only?: boolean
}

export const SERVICE_REGISTRY: readonly CompatiblePath[] = [
  compatible({
    method: 'POST',
    paths: ['/api/register'],
    action: 'components.register',
    operationId: 'compat.register',
    summary: 'Registers a component; the form of components.register that older clients send.',
    body: Closed({
      component_id: Type.Optional(Word),
      name: Word,
      version: Word,
      type: Type.Optional(Word),
      description: Type.Optional(Type.String({ maxLength: 512 })),
      endpoint: Type.Optional(Url),
      endpoints: Type.Optional(Closed({ http: Type.Optional(Url), ws: Type.Optional(Url) })),
      capabilities: Type.Optional(Type.Array(Word, { maxItems: 32 })),
      metadata: Type.Optional(Type.Record(Word, Type.Unknown(), { maxProperties: 31 })),
    }),
    answer: Closed({
      success: Type.Literal(true),
      component_id: Type.String(),
      token: Type.String(),
      message: Type.String(),
    }),
    status: 200,
    inputOf: ({ component_id, name, version, type, description, endpoint, endpoints = {}, ...rest }) => {
      const { capabilities = [], metadata = {} } = rest
      const http = endpoints.http ?? endpoint
      return {
        id: idOf(component_id ?? name),
        name,
        version,
        ...(type === undefined ? {} : { kind: kindOf(type) }),
        endpoints: [
          ...(http === undefined ? [] : [{ protocol: 'http', url: http }]),
          ...(endpoints.ws === undefined ? [] : [{ protocol: 'ws', url: endpoints.ws }]),
        ],
        capabilities: capabilities.map(idOf),
        metadata: {
          ...Object.fromEntries(
            Object.entries(metadata).map(([key, value]) => [
              key,
              typeof value === 'string' ? value : JSON.stringify(value),
            ]),
          ),
          ...(description === undefined ? {} : { description }),
        },
      }
    },
    answerOf: ({ id, epoch }) => ({
      success: true as const,
      component_id: String(id),
      token: String(epoch),
      message: 'registered: renew within 60 s',
    }),
  }),
  compatible({
    method: 'POST',
    paths: ['/api/heartbeat'],
    action: 'components.renew',
    operationId: 'compat.heartbeat',
    summary: 'Renews the lease of a component, with the token of its registration in X-Authentication-Token.',
    body: Closed({
      component_id: Word,
      token: Type.Optional(Word),
      /** What a component thinks of itself is no check of it. */
      status: Type.Optional(Type.Record(Word, Type.Unknown(), { maxProperties: 32 })),
    }),
    answer: Closed({ success: Type.Literal(true), timestamp: Type.Number(), message: Type.String() }),
    status: 200,
    inputOf: ({ component_id, token }, headers) => ({
      id: idOf(component_id),
      epoch: epochOf(token, headers),
    }),
    answerOf: ({ expiresAt }) => ({
      success: true as const,
      timestamp: Date.now() / 1000,
      message: `alive until ${String(expiresAt)}`,
    }),
  }),
  ...(['GET', 'POST'] as const).map((method) =>
    compatible({
      method,
      paths: ['/api/query'],
      action: 'components.list',
      operationId: method === 'GET' ? 'compat.query' : 'compat.query.post',
      summary: 'Components by capability and type, the way older clients ask.',
      body: Closed(asked),
      answer: Type.Array(Service),
      status: 200,
      inputOf: ({ capability, component_type, type }) => ({
        limit: 1000,
        ...(capability === undefined ? {} : { capability: idOf(capability) }),
        ...(component_type === undefined && type === undefined
          ? {}
          : { kind: kindOf(component_type ?? type ?? '') }),
      }),
      answerOf: ({ items }, { healthy_only = false }: Asked) =>
        (items as readonly Listed[]).map(serviceOf).filter(({ healthy }) => healthy || !healthy_only),
    }),
  ),
]

interface Listed {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly kind: string
  readonly endpoints: readonly { readonly protocol: string; readonly url: string }[]
  readonly capabilities: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  readonly health: string
  readonly renewedAt?: string
}

function serviceOf({ id, kind, endpoints, capabilities, health, renewedAt, ...same }: Listed) {
  return {
    component_id: id,
    name: same.name,
    version: same.version,
    type: kind,
    endpoint: endpoints.find(({ protocol }) => protocol === 'http')?.url ?? '',
    capabilities: [...capabilities],
    metadata: { ...same.metadata },
    healthy: health === 'passing' || health === 'warning',
    ...(renewedAt === undefined ? {} : { last_heartbeat: Date.parse(renewedAt) / 1000 }),
  }
}

/** Ids of older clients know capital letters and spaces. What is no id after that is refused by the action. */
const idOf = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '-')
const kindOf = (text: string): string => text.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')

/** Throws `auth.invalid` for what no registration has answered. */
function epochOf(token: string | undefined, headers: IncomingHttpHeaders): number {
  const shown = token ?? String(headers[TOKEN_HEADER] ?? '')
  if (!/^\d{1,15}$/.test(shown))
    throw new PolityError('auth.invalid', `send the token of the registration in the header ${TOKEN_HEADER}`)
  return Number(shown)
}
