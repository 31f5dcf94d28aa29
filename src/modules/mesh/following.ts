// Subscriptions as others see them: to open one, to take from it, and to look after what it set aside.

import { command, Page, paging, query } from '../../kernel/catalog/definition.ts'
import { Closed, Described, Integer, Private, Timestamp, Type } from '../../kernel/schema/schema.ts'
import {
  DeliveryId,
  FailureReason,
  FILTER_MAX_CHARS,
  Lane,
  Major,
  MeshEvent,
  PATTERNS_MAX,
  ShownSubscription,
  SubscriptionName,
  SubscriptionShape,
  TAKE_MAX,
  TAKE_WAIT_MAX_MS,
  TypePattern,
} from './schemas.ts'

const From = Type.String({ minLength: 1, maxLength: 128, description: 'now, start, or a cursor' })

export const subscribe = command('mesh.subscribe@1', {
  summary: 'Opens or changes a subscription of the caller; whoever takes from it shares its events.',
  input: {
    name: SubscriptionName,
    types: Type.Array(TypePattern, {
      minItems: 1,
      maxItems: PATTERNS_MAX,
      description: 'patterns of event types such as order.* or health.**',
    }),
    filter: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: FILTER_MAX_CHARS,
        description: 'a CESQL expression over the attributes of the event',
      }),
    ),
    orderBy: Type.Optional(
      Described(
        Type.Union([Type.Literal('key'), Type.Literal('subject'), Type.Literal('none')]),
        'what events have in common that must be handled one after the other; default key',
      ),
    ),
    inFlightMax: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 256,
        description: 'events taken and not acknowledged; default 64',
      }),
    ),
    ackWaitMs: Type.Optional(
      Type.Integer({
        minimum: 1000,
        maximum: 3_600_000,
        description: 'how long a consumer has; default 30000',
      }),
    ),
    deliverMax: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 100, description: 'attempts before an event is dead; default 5' }),
    ),
    from: Type.Optional(
      Described(From, 'where a new subscription begins: now, start, or a cursor; default now'),
    ),
    lane: Type.Optional(Described(Lane, 'only events of this lane; default both')),
    major: Type.Optional(Described(Major, 'events of older majors are lifted to this one')),
  },
  output: SubscriptionShape,
  errors: ['input.invalid', 'mesh.subscriber-not-allowed', 'limit', 'cursor.invalid'],
  risk: 'low',
  effect: 'atomic',
  facts: ['name', 'types'],
  cli: { positional: ['name', 'types'] },
})

const Named = { name: SubscriptionName }
const Done = Closed({ name: SubscriptionName, count: Integer })

export const unsubscribe = command('mesh.unsubscribe@1', {
  summary: 'Ends a subscription of the caller; what it set aside is forgotten.',
  input: Named,
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'atomic',
  cli: { positional: ['name'] },
})

export const pauseSubscription = command('mesh.pause@1', {
  summary: 'Stops handing out events of a subscription of the caller.',
  input: Named,
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'atomic',
  cli: { positional: ['name'] },
})

export const resumeSubscription = command('mesh.resume@1', {
  summary: 'Hands out events of a paused subscription of the caller again.',
  input: Named,
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'atomic',
  cli: { positional: ['name'] },
})

export const Delivery = Closed({
  /** To acknowledge it with. */
  id: DeliveryId,
  /** 1 for the first one. */
  attempt: Integer,
  event: Private(MeshEvent),
})

const Taken = Closed({ name: SubscriptionName, items: Type.Array(Delivery) })
const takeFields = {
  max: Type.Optional(
    Type.Integer({ minimum: 1, maximum: TAKE_MAX, description: 'how many at most; default 16' }),
  ),
  waitMs: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: TAKE_WAIT_MAX_MS,
      description: 'how long to wait for news; default 0',
    }),
  ),
  consumer: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9][A-Za-z0-9._-]*$',
      maxLength: 64,
      description: 'names one of several consumers of the subscription',
    }),
  ),
}

export const take = command('mesh.take@1', {
  summary: 'Takes events of a subscription of the caller. What is not acknowledged in time comes again.',
  input: { ...Named, ...takeFields },
  output: Taken,
  errors: ['not-found', 'limit'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name'] },
})

/** What a subscription that was closed leaves behind goes in turns; the hub asks. */
export const sweepGroup = command('mesh.sweep-group@1', {
  summary: 'Forgets items of a subscription that was closed.',
  input: { group: Type.String({ minLength: 1, maxLength: 256 }) },
  output: Closed({ isDone: Type.Boolean() }),
  errors: ['denied'],
  risk: 'medium',
  effect: 'working',
  cli: { isHidden: true },
})

export const inbox = command('mesh.inbox@1', {
  summary: 'Takes messages that were sent to the caller; acknowledged as those of the subscription `inbox`.',
  input: takeFields,
  output: Taken,
  errors: ['limit'],
  risk: 'low',
  effect: 'working',
})

const Ids = Type.Array(DeliveryId, { minItems: 1, maxItems: TAKE_MAX, description: 'ids of deliveries' })

export const ack = command('mesh.ack@1', {
  summary: 'Says that events are handled. Answers how many of these deliveries were still the caller’s.',
  input: { ...Named, ids: Ids },
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name', 'ids'] },
})

export const nack = command('mesh.nack@1', {
  summary: 'Says that events could not be handled: they come again, or are set aside for good.',
  input: {
    ...Named,
    ids: Ids,
    delayMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 86_400_000,
        description: 'how long to wait before they come again; default: longer after each attempt',
      }),
    ),
    reason: Type.Optional(FailureReason),
    isFinal: Type.Optional(Type.Boolean({ description: 'set aside for good at once' })),
  },
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name', 'ids'] },
})

export const extend = command('mesh.extend@1', {
  summary: 'Asks for more time to handle events.',
  input: { ...Named, ids: Ids },
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name', 'ids'] },
})

export const seek = command('mesh.seek@1', {
  summary: 'Lets a subscription of the caller go on from another place of the log.',
  input: { ...Named, to: Described(From, 'now, start, or a cursor') },
  output: Done,
  errors: ['not-found', 'cursor.invalid', 'cursor.ahead'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name', 'to'] },
})

const Seqs = Type.Array(Integer, { minItems: 1, maxItems: TAKE_MAX, description: 'numbers of entries' })

export const retry = command('mesh.retry@1', {
  summary: 'Hands events again that a subscription of the caller had set aside; all when none are named.',
  input: { ...Named, seqs: Type.Optional(Seqs) },
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name', 'seqs'] },
})

export const drop = command('mesh.drop@1', {
  summary: 'Forgets events that a subscription of the caller had set aside for good.',
  input: { ...Named, seqs: Seqs },
  output: Done,
  errors: ['not-found'],
  risk: 'low',
  effect: 'working',
  cli: { positional: ['name', 'seqs'] },
})

/** Fewer than elsewhere: each has its own look at what it set aside. */
export const SUBSCRIPTIONS_PAGE_SIZE = 50

const Followed = Closed({
  ...ShownSubscription,
  /** Cursor before which everything is handled or set aside. */
  cursor: Type.String(),
  /** Published entries that it has not looked at. */
  lag: Integer,
  underWay: Integer,
  parked: Integer,
  dead: Integer,
})

export const listSubscriptions = query('mesh.subscriptions@1', {
  summary: 'Subscriptions of the caller; those of everybody, where the caller may read the whole log.',
  input: {
    ...paging(Type.String({ maxLength: 2048, description: 'go on after this one' }), {
      size: SUBSCRIPTIONS_PAGE_SIZE,
      sizeMax: 100,
    }),
  },
  output: Page(Followed),
  http: { path: 'mesh/subscriptions' },
})

export const parked = query('mesh.parked@1', {
  summary: 'What a subscription of the caller has set aside, and why.',
  input: {
    ...Named,
    ...paging(Described(Integer, 'go on after this entry')),
  },
  output: Closed({
    items: Type.Array(
      Closed({
        seq: Integer,
        state: Type.Union([Type.Literal('waiting'), Type.Literal('behind'), Type.Literal('dead')]),
        attempts: Integer,
        reason: Type.String(),
        nextAt: Type.Optional(Timestamp),
        parkedAt: Type.String(),
        key: Type.Optional(Type.String()),
        event: Type.Optional(Private(MeshEvent)),
      }),
    ),
    after: Type.Optional(Integer),
  }),
  errors: ['not-found'],
  cli: { positional: ['name'] },
})
