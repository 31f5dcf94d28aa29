// What others may know about components: who is there, how they are, and the way to them.

import { command, noun, Page, query } from '../../kernel/catalog/definition.ts'
import { face } from '../../kernel/catalog/face.ts'
import { Closed, Described, Integer, Sha256, Timestamp, Type } from '../../kernel/schema/schema.ts'
import type { ServiceGateway } from './gateway/service-gateway.ts'
import { DeclaredModule } from './manifests/schema.ts'
import {
  Capability,
  CheckReport,
  ComponentId,
  described,
  Epoch,
  HealthWord,
  Kind,
  OwnerText,
  SharedWith,
} from './schemas.ts'

export * from './views.ts'

export const Component = noun('components.component', {
  ...described,
  sharedWith: Type.Optional(SharedWith),
  health: HealthWord,
  /** Why it is not passing, one sentence each. */
  reasons: Type.Array(Type.String()),
  owner: OwnerText,
  epoch: Epoch,
  registeredAt: Timestamp,
  renewedAt: Type.Optional(Timestamp),
  expiresAt: Type.Optional(Timestamp),
  checkReports: Type.Array(CheckReport),
})

const { id, name, kind, version, endpoints, capabilities, metadata, ttlMs, checks } = described
const Lease = Closed({ id: ComponentId, epoch: Epoch, expiresAt: Timestamp })

export const register = command('components.register@1', {
  summary: 'Registers a component under a lease: it is there as long as it renews.',
  input: {
    id,
    name: Type.Optional(name),
    kind: Type.Optional(kind),
    version,
    endpoints: Type.Optional(
      Described(endpoints, 'where it is reached, [{protocol, url}]: http, tcp or ws; at most 16'),
    ),
    capabilities: Type.Optional(
      Described(capabilities, 'what it offers, each a name such as translate; at most 32'),
    ),
    sharedWith: Type.Optional(SharedWith),
    metadata: Type.Optional(metadata),
    ttlMs: Type.Optional(ttlMs),
    checks: Type.Optional(
      Described(checks, 'how the hub sees that it is well, [{name, kind, url}]: http or tcp; at most 8'),
    ),
  },
  output: Lease,
  errors: ['components.not-yours', 'components.address', 'limit'],
  risk: 'low',
  effect: 'atomic',
  resource: ({ id: component }) => `component/${component}`,
  facts: ['id', 'kind', 'capabilities'],
  cli: { positional: ['id', 'version'] },
})

export const renew = command('components.renew@1', {
  summary: 'Renews the lease of a component: a heartbeat, which leaves no entry.',
  input: { id: ComponentId, epoch: Epoch },
  output: Lease,
  errors: ['components.unknown', 'components.not-yours', 'components.stale'],
  risk: 'low',
  effect: 'working',
  resource: ({ id: component }) => `component/${component}`,
  facts: ['id'],
  cli: { positional: ['id', 'epoch'] },
})

export const deregister = command('components.deregister@1', {
  summary: 'Takes a component out of the registry: its own principal may, and owners of the hub.',
  input: { id: ComponentId, epoch: Type.Optional(Epoch) },
  output: Closed({ id: ComponentId }),
  errors: ['components.unknown', 'components.not-yours', 'components.stale'],
  risk: 'low',
  effect: 'atomic',
  resource: ({ id: component }) => `component/${component}`,
  facts: ['id'],
  cli: { positional: ['id'] },
})

export const get = query('components.get@1', {
  summary: 'One component, its health and why.',
  input: { id: ComponentId },
  output: Component,
  errors: ['components.unknown'],
  resource: ({ id: component }) => `component/${component}`,
  facts: ['id'],
  cli: { positional: ['id'] },
  http: { path: 'components/{id}' },
})

export const list = query('components.list@1', {
  summary: 'Components in the order of their ids; lost ones too, unless another health is asked for.',
  input: {
    kind: Type.Optional(Kind),
    capability: Type.Optional(Capability),
    health: Type.Optional(Described(HealthWord, 'only components of this health')),
    after: Type.Optional(Described(ComponentId, 'go on after this id')),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'how many at most' })),
  },
  output: Page(Component),
  http: { path: 'components' },
})

export const status = query('components.status@1', {
  summary: 'Components by health, and whether a mass loss holds back what healing would do.',
  input: {},
  output: Closed({
    passing: Integer,
    warning: Integer,
    critical: Integer,
    lost: Integer,
    isHolding: Type.Boolean(),
    /** Of the mass loss that is looked into. */
    since: Type.Optional(Timestamp),
    count: Type.Optional(Integer),
    total: Type.Optional(Integer),
  }),
})

const Percentiles = { p50Ms: Type.Number(), p95Ms: Type.Number(), p99Ms: Type.Number() }

export const traffic = query('components.traffic@1', {
  summary:
    'What went through the gateway of this hub since it started, by component, method and form of path.',
  input: {
    id: Type.Optional(ComponentId),
    after: Type.Optional(
      Type.String({ maxLength: 512, description: 'go on after this row, as the answer says' }),
    ),
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, description: 'how many at most; default 1000' }),
    ),
  },
  output: Page(
    noun('components.route-traffic', {
      component: Type.String(),
      method: Type.String(),
      path: Type.String(),
      requests: Integer,
      status2xx: Integer,
      status3xx: Integer,
      status4xx: Integer,
      status5xx: Integer,
      upgraded: Integer,
      ...Percentiles,
    }),
  ),
})

/** Asked by the gateway for each request, with the risk of its method: GET and HEAD are low. */
export const gatewayRequest = query('gateway.request@1', {
  summary: 'Where the gateway would send a request, decided as the request itself would be.',
  input: {
    component: Type.String({
      pattern: '^(capability:)?[a-z0-9][a-z0-9._-]*$',
      maxLength: 140,
      description: 'the id of a component, or capability: and a capability',
    }),
    method: Type.String({ pattern: '^[A-Z]{1,16}$', description: 'a method such as GET' }),
    path: Type.String({
      maxLength: 512,
      description: 'a path such as /orders/{id}: {id} stands for whatever looks like a key',
    }),
  },
  output: Closed({
    instances: Type.Array(Closed({ component: ComponentId, url: Type.String(), health: HealthWord })),
  }),
  errors: ['components.unknown', 'components.unavailable'],
  risk: 'medium',
  resource: ({ component }) => `component/${component}`,
  facts: ['component', 'method', 'path'],
  cli: { positional: ['component', 'method', 'path'] },
})

const ManifestText = Type.String({
  minLength: 1,
  maxLength: 131_072,
  contentMediaType: 'application/yaml',
  description: 'the text of a root.modules.yaml',
})

export const manifestsApply = command('components.manifests-apply@1', {
  summary: 'Puts module manifests in force: what should be there, in which versions and in which order.',
  input: { yaml: ManifestText },
  output: Closed({
    digest: Sha256,
    modules: Integer,
    /** What was read, and what of it nothing enforces. */
    remarks: Type.Array(Type.String()),
  }),
  errors: ['input.invalid', 'manifest.cycle', 'manifest.duplicate'],
  risk: 'medium',
  conduct: { changes: ['service'], reversible: true },
  effect: 'atomic',
  cli: { positional: ['yaml'] },
})

const Problem = Closed({
  kind: Type.Union([Type.Literal('missing'), Type.Literal('version'), Type.Literal('blocked')]),
  module: ComponentId,
  sentence: Type.String(),
})

export const plan = query('components.plan@1', {
  summary: 'The order in which declared modules load, with reasons, and what keeps some from loading.',
  input: { yaml: Type.Optional(ManifestText) },
  output: Closed({
    digest: Type.Optional(Sha256),
    order: Type.Array(
      Closed({
        position: Integer,
        id: ComponentId,
        version: Type.String(),
        stage: Integer,
        reason: Type.String(),
      }),
    ),
    problems: Type.Array(Problem),
    remarks: Type.Array(Type.String()),
  }),
  errors: ['input.invalid', 'manifest.cycle', 'manifest.duplicate'],
})

const Drifted = Closed({
  kind: Type.Union([
    Type.Literal('not-registered'),
    Type.Literal('not-declared'),
    Type.Literal('other-version'),
    Type.Literal('lost'),
  ]),
  id: ComponentId,
  declared: Type.Optional(Type.String()),
  registered: Type.Optional(Type.String()),
})

export const drift = query('components.drift@1', {
  summary: 'Where the components that are there differ from the modules that are declared.',
  input: {},
  output: Closed({ digest: Type.Optional(Sha256), items: Type.Array(Drifted) }),
})

export const declared = query('components.manifests@1', {
  summary: 'The modules that are declared, with what their manifests say.',
  input: {},
  output: Closed({
    digest: Type.Optional(Sha256),
    appliedAt: Type.Optional(Timestamp),
    items: Type.Array(DeclaredModule),
  }),
})

/** The way to components, for doors. */
export const services = face<ServiceGateway>('components.services')

/** What healing looks at before it acts on a loss. */
export interface LossBrake {
  /** Whether a mass loss is being looked into, so that nobody may act on missing heartbeats. */
  isHolding(): Promise<boolean>
}
export const lossBrake = face<LossBrake>('components.loss-brake')
