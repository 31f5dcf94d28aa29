// The contract of a module that exists for tests: it raises the alerts that watching the log would raise.

import { command } from '../../src/kernel/catalog/definition.ts'
import { Closed, Type } from '../../src/kernel/schema/schema.ts'

export { AlertRaised } from '../../src/kernel/witness/contract.ts'

export const raise = command('lab.raise@1', {
  summary: 'Raises an alert.',
  input: { kind: Type.Union([Type.Literal('fork'), Type.Literal('rollback')]) },
  output: Closed({}),
  risk: 'low',
  effect: 'atomic',
})
