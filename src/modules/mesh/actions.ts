// Publishing, types, messages and routes: what can be asked of the mesh, beside subscriptions.

import { command, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { Closed, Described, Integer, Json, Name, Private, Sha256, Type } from '../../kernel/schema/schema.ts'
import {
  Audience,
  BareTypeName,
  EventFields,
  EventId,
  EventTypeName,
  Label,
  Major,
  MemberNames,
  PrincipalLabel,
  PUBLISH_MAX,
  Published,
  ROUTES_TEXT_MAX_CHARS,
  SchemaKeywords,
  Upcast,
} from './schemas.ts'

const REFUSALS = [
  'mesh.payload',
  'mesh.undeclared',
  'mesh.reserved-type',
  'mesh.publisher-not-allowed',
  'mesh.trust',
  'mesh.unchecked',
  'mesh.refused',
  'mesh.expired',
  'mesh.loop',
  'entry.too-large',
] as const

/** Records one event; whoever may see it takes it from there. */
export const publish = command('mesh.publish@1', {
  summary: 'Publishes one event. The same id of the same publisher is recorded once within seven days.',
  input: EventFields,
  output: Published,
  errors: REFUSALS,
  risk: 'low',
  effect: 'atomic',
  resource: ({ type }) => `mesh/${type}`,
  facts: ['type', 'subject', 'lane', 'audience'],
  cli: { positional: ['type', 'data'] },
})

/** All of them or none. */
export const publishMany = command('mesh.publish-many@1', {
  summary: 'Publishes several events in one commit: all of them, or none.',
  input: {
    events: Type.Array(Closed(EventFields), {
      minItems: 1,
      maxItems: PUBLISH_MAX,
      description: `the events, [{type, data}]; at most ${PUBLISH_MAX}`,
    }),
  },
  output: Closed({ items: Type.Array(Published) }),
  errors: REFUSALS,
  risk: 'low',
  effect: 'atomic',
})

/** The form in which callers of the older bus publish; under `log-only` what would be refused is published and told. */
export const publishLegacy = command('mesh.publish-legacy@1', {
  summary: 'Publishes in the form of the older event bus.',
  input: {
    eventType: EventTypeName,
    payload: Described(Json, 'what everybody may read who sees the entry'),
    source: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 128,
        description: 'who the caller says it is; nobody checks it',
      }),
    ),
  },
  output: Published,
  errors: REFUSALS,
  risk: 'low',
  effect: 'atomic',
  resource: ({ eventType }) => `mesh/${eventType}`,
  facts: ['eventType'],
  cli: { isHidden: true },
})

export const TypeShape = Closed({
  type: BareTypeName,
  major: Major,
  schema: SchemaKeywords,
  audience: Type.Optional(Audience),
  privateFields: Type.Optional(MemberNames),
  upcast: Type.Optional(Upcast),
})

export const defineType = command('mesh.define-type@1', {
  summary:
    'Declares what events of one type and major look like, and how those of the major before become such.',
  input: {
    type: BareTypeName,
    major: Major,
    schema: Described(SchemaKeywords, 'a JSON Schema of data and private data together, in a closed subset'),
    audience: Type.Optional(Described(Audience, 'who may see events whose publisher names nobody')),
    privateFields: Type.Optional(Described(MemberNames, 'members that must come in privateData')),
    upcast: Type.Optional(Described(Upcast, 'how data of the major before becomes data of this one')),
  },
  output: TypeShape,
  errors: ['input.invalid'],
  risk: 'medium',
  conduct: { changes: ['configuration'] },
  effect: 'atomic',
  resource: ({ type }) => `mesh/${type}`,
  facts: ['type', 'major'],
})

export const listTypes = query('mesh.types@1', {
  summary: 'Declared event types.',
  input: {
    ...paging(Type.String({ maxLength: 256, description: 'go on after this type' })),
  },
  output: Page(TypeShape),
  http: { path: 'mesh/types' },
})

/** Fits into an entry beside its other attributes, and a reply does, too. */
const TIMEOUT_MAX_MS = 86_400_000
const Message = {
  to: Described(PrincipalLabel, 'a principal such as component:billing'),
  type: EventTypeName,
  data: Type.Optional(Described(Private(Json), 'what only the addressee may read')),
}

export const send = command('mesh.send@1', {
  summary: 'Sends a message to one principal, which takes it from its inbox.',
  input: {
    ...Message,
    deadlineMs: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: TIMEOUT_MAX_MS,
        description: 'for how long the message is worth reading; default: for ever',
      }),
    ),
  },
  output: Closed({ id: EventId }),
  errors: ['mesh.reserved-type'],
  risk: 'low',
  effect: 'atomic',
  resource: ({ to }) => `mesh/to/${to}`,
  facts: ['to', 'type'],
  cli: { positional: ['to', 'type', 'data'] },
})

export const request = command('mesh.request@1', {
  summary: 'Sends a message to one principal and waits for its reply.',
  input: {
    ...Message,
    timeoutMs: Type.Integer({
      minimum: 1,
      maximum: TIMEOUT_MAX_MS,
      description: 'how long to wait for the reply',
    }),
  },
  output: Closed({
    request: EventId,
    data: Type.Optional(Private(Json)),
    error: Type.Optional(Private(Type.String())),
  }),
  errors: ['mesh.no-reply'],
  risk: 'low',
  effect: 'idempotent',
  resource: ({ to }) => `mesh/to/${to}`,
  facts: ['to', 'type'],
  cli: { positional: ['to', 'type', 'data'] },
})

export const reply = command('mesh.reply@1', {
  summary: 'Answers a request that was sent to the caller, once.',
  input: {
    request: EventId,
    data: Type.Optional(Described(Private(Json), 'the answer')),
    error: Type.Optional(
      Described(Private(Type.String({ minLength: 1, maxLength: 1024 })), 'why there is no answer'),
    ),
  },
  output: Closed({ request: EventId }),
  errors: ['not-found', 'mesh.expired', 'mesh.answered'],
  risk: 'low',
  effect: 'atomic',
  facts: ['request'],
  cli: { positional: ['request', 'data'] },
})

const Yaml = Type.String({
  minLength: 1,
  maxLength: ROUTES_TEXT_MAX_CHARS,
  contentMediaType: 'application/yaml',
  description: 'the routing table, YAML',
})

export const Rehearsal = Closed({
  /** Events of the log that both tables were asked about. */
  events: Integer,
  blocked: Type.Array(
    Closed({ type: Type.String(), source: Type.String(), code: Type.String(), count: Integer }),
  ),
  unblocked: Type.Array(Closed({ type: Type.String(), source: Type.String(), count: Integer })),
  rerouted: Type.Array(Closed({ type: Type.String(), changes: Type.Array(Type.String()), count: Integer })),
})

export const proposeRoutes = command('mesh.propose-routes@1', {
  summary: 'Validates a routing table, rehearses it on the last events, puts it in force and watches it.',
  input: {
    yaml: Yaml,
    watchMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: TIMEOUT_MAX_MS,
        description: 'how long to watch before it stays; default 0',
      }),
    ),
    blockedShareMaxPercent: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: 'it is rolled back when a larger share of events is refused meanwhile; default 20',
      }),
    ),
    isRehearsalOnly: Type.Optional(Type.Boolean({ description: 'only say what would change' })),
  },
  output: Closed({
    digest: Sha256,
    previous: Type.Optional(Sha256),
    status: Type.Union([Type.Literal('rehearsed'), Type.Literal('active'), Type.Literal('rolled-back')]),
    reason: Type.Optional(Type.String()),
    rehearsal: Rehearsal,
  }),
  errors: ['input.invalid', 'mesh.no-routes', 'mesh.loop', 'mesh.routes-changed'],
  risk: 'high',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'idempotent',
  cli: { positional: ['yaml'] },
})

/** The last phase but one of a proposal: compare and swap. It says who changed what, as any action does. */
export const activateRoutes = command('mesh.activate-routes@1', {
  summary: 'Puts a routing table in force if the one that it was rehearsed against still is.',
  input: {
    yaml: Yaml,
    replaces: Type.Optional(Described(Sha256, 'the digest of the table in force; absent: there is none')),
  },
  output: Closed({ digest: Sha256 }),
  errors: ['input.invalid', 'mesh.no-routes', 'mesh.loop', 'mesh.routes-changed'],
  risk: 'high',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'atomic',
  cli: { isHidden: true },
})

export const rollBackRoutes = command('mesh.roll-back-routes@1', {
  summary: 'Puts the routing table in force again that the present one took the place of.',
  input: {
    reason: Type.Optional(Type.String({ minLength: 1, maxLength: 512, description: 'why' })),
    ifDigest: Type.Optional(Described(Sha256, 'only if this table is in force')),
  },
  output: Closed({ digest: Type.Optional(Sha256), previous: Type.Optional(Sha256) }),
  errors: ['not-found', 'mesh.routes-changed'],
  risk: 'high',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'atomic',
})

export const showRoutes = query('mesh.routes@1', {
  summary: 'The routing table that is in force.',
  input: {},
  output: Closed({
    digest: Type.Optional(Sha256),
    activatedAt: Type.Optional(Type.String()),
    yaml: Type.Optional(Type.String()),
    groups: Type.Array(Closed({ name: Name, members: Type.Array(Label) })),
  }),
  risk: 'medium',
  http: { path: 'mesh/routes' },
})
