// What may be asked of brokers.

import { command, Page, query } from '../../kernel/catalog/definition.ts'
import { Closed, Integer, Type } from '../../kernel/schema/schema.ts'
import { BrokerShape, FlowName, FlowShape, SetAsideShape, SinkSettings, SourceSettings } from './schemas.ts'

const Name = { name: FlowName }
const ofFlow = ({ name }: { readonly name: string }) => `brokers/${name}`
const limit = Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'how many at most' }))

export const putSink = command('brokers.sink-put@1', {
  summary: 'Sends events of the log to a broker, each at least once; what was sent under this name goes on.',
  input: SinkSettings,
  output: FlowShape,
  errors: ['input.invalid', 'limit', 'not-found', 'secret.missing'],
  risk: 'medium',
  conduct: { changes: ['network'], reversible: true },
  effect: 'atomic',
  resource: ofFlow,
  facts: ['name', 'broker', 'to', 'types'],
  cli: { positional: ['name', 'broker', 'to', 'types'] },
})

export const putSource = command('brokers.source-put@1', {
  summary: 'Takes events from a stream of a broker; each is acknowledged once the log has it.',
  input: SourceSettings,
  output: FlowShape,
  errors: ['input.invalid', 'limit', 'not-found', 'secret.missing'],
  risk: 'high',
  conduct: { changes: ['network'], reversible: true },
  effect: 'atomic',
  resource: ofFlow,
  facts: ['name', 'broker', 'stream', 'prefix', 'principal'],
  cli: { positional: ['name', 'broker', 'stream', 'prefix', 'principal'] },
})

export const remove = command('brokers.remove@1', {
  summary: 'Ends a sink or a source; what it left at the broker stays there.',
  input: Name,
  output: Closed(Name),
  errors: ['not-found'],
  risk: 'low',
  effect: 'atomic',
  isReserved: true,
  resource: ofFlow,
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const retry = command('brokers.retry@1', {
  summary: 'Sends again now what a sink has set aside or given up.',
  input: Name,
  output: Closed({ ...Name, count: Integer }),
  errors: ['not-found', 'input.invalid'],
  risk: 'medium',
  conduct: { isExternal: true },
  effect: 'idempotent',
  resource: ofFlow,
  facts: ['name'],
  cli: { positional: ['name'] },
})

export const list = query('brokers.list@1', {
  summary: 'The brokers of this hub, and which of their settings can lose messages.',
  input: {},
  output: Closed({ items: Type.Array(BrokerShape) }),
  risk: 'medium',
  http: { path: 'brokers' },
})

export const status = query('brokers.status@1', {
  summary: 'Sinks and sources of the caller, how far they are behind, and what ails them.',
  input: { after: Type.Optional(FlowName), limit },
  output: Page(FlowShape),
  http: { path: 'brokers/flows' },
})

export const setAside = query('brokers.set-aside@1', {
  summary: 'What a sink could not send, or a source could not use, with the reason.',
  input: {
    ...Name,
    after: Type.Optional(
      Type.String({ maxLength: 256, description: 'go on after this message, as the answer says' }),
    ),
    limit,
  },
  output: Page(SetAsideShape),
  errors: ['not-found'],
  resource: ofFlow,
  facts: ['name'],
  cli: { positional: ['name'] },
  http: { path: 'brokers/flows/{name}/set-aside' },
})
