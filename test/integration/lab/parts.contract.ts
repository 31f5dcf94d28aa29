// Runs that ask for other actions, of their own risk and of a higher one.

import { command } from '../../../src/kernel/catalog/definition.ts'
import { Closed, Type } from '../../../src/kernel/schema/schema.ts'

export const outer = command('parts.outer@1', {
  summary: 'Asks for one of the others.',
  input: { part: Type.String() },
  output: Closed({ part: Type.String() }),
  risk: 'medium',
  effect: 'idempotent',
})

const inner = (name: string, risk: 'medium' | 'critical') =>
  command(name, {
    summary: 'Is a part of the run.',
    input: {},
    output: Closed({ part: Type.String() }),
    risk,
    effect: 'atomic',
  })

export const equal = inner('parts.equal@1', 'medium')
export const riskier = inner('parts.riskier@1', 'critical')
