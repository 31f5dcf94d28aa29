// The compatibility table of operations: names by which older programs ask for a decision, as data.

import { highest } from '../../kernel/gate/rollout.ts'
import type { Fact, Risk } from '../../kernel/gate/types.ts'

/** What is known of an operation by its name alone. */
export interface KnownOperation {
  readonly operation: string
  readonly risk?: Risk
  readonly isAutonomous?: boolean
  readonly conduct: Readonly<Record<string, Fact>>
}

interface CheckAlias {
  /** The operation is `area.name`. */
  readonly area: string
  /** The property of the action that holds the name. */
  readonly namedBy: readonly string[]
  /** Of an operation that is not named below, and the least of one that is. */
  readonly risk: Risk
  readonly isAutonomous: boolean
  readonly conduct: Readonly<Record<string, Fact>>
}

const CHECKS: ReadonlyMap<string, CheckAlias> = new Map<string, CheckAlias>([
  [
    'check_avn_action',
    {
      area: 'avn',
      namedBy: ['action'],
      risk: 'medium',
      isAutonomous: true,
      conduct: { changes: ['service'] },
    },
  ],
  [
    'check_business_operation',
    { area: 'business', namedBy: ['operation'], risk: 'medium', isAutonomous: true, conduct: {} },
  ],
  [
    'check_system_change',
    {
      area: 'system',
      namedBy: ['change_type'],
      risk: 'medium',
      isAutonomous: true,
      conduct: { changes: ['configuration'] },
    },
  ],
  ...['code_deployment', 'check_code_deployment'].map((alias): [string, CheckAlias] => [
    alias,
    {
      area: 'code',
      namedBy: ['deployment'],
      risk: 'high',
      isAutonomous: true,
      conduct: { changes: ['code', 'service'], content: ['code'] },
    },
  ]),
])

interface Named {
  readonly risk: Risk
  readonly conduct: Readonly<Record<string, Fact>>
}

/** The older programs' lists of names by risk, and what each of them does. */
const NAMED: ReadonlyMap<string, Named> = new Map<string, Named>([
  [
    'delete_database',
    { risk: 'critical', conduct: { changes: ['data'], destructive: true, reversible: false } },
  ],
  ['shutdown_system', { risk: 'critical', conduct: { changes: ['service'] } }],
  [
    'deploy_to_production',
    { risk: 'critical', conduct: { changes: ['code', 'service'], resourceClass: 'production' } },
  ],
  [
    'modify_governance_policy',
    { risk: 'critical', conduct: { changes: ['policy'], resourceClass: 'policy' } },
  ],
  ['restart_service', { risk: 'high', conduct: { changes: ['service'], reversible: true } }],
  ['rollback_deployment', { risk: 'high', conduct: { changes: ['code', 'service'], reversible: true } }],
  ['scale_down', { risk: 'high', conduct: { changes: ['service'], reversible: true } }],
  ['deploy_model', { risk: 'high', conduct: { changes: ['model', 'service'] } }],
  ['execute_code', { risk: 'high', conduct: { changes: ['code'] } }],
  ['generate_code', { risk: 'medium', conduct: { content: ['code'] } }],
  ['create_task', { risk: 'medium', conduct: {} }],
  ['send_email', { risk: 'medium', conduct: { content: ['mail'], isExternal: true } }],
  ['process_payment', { risk: 'medium', conduct: { changes: ['money'], isExternal: true } }],
])

/** What the name of an action means: an alias, a name that older programs know, or itself. */
export function operationOf(name: string, properties: Readonly<Record<string, unknown>>): KnownOperation {
  const check = CHECKS.get(name)
  if (check === undefined) return { operation: name, ...(NAMED.get(name) ?? { conduct: {} }) }
  const said = check.namedBy.map((property) => properties[property]).find((each) => typeof each === 'string')
  const known = said === undefined ? undefined : NAMED.get(said)
  return {
    operation: said === undefined ? check.area : `${check.area}.${said}`,
    risk: known === undefined ? check.risk : highest([check.risk, known.risk]),
    isAutonomous: check.isAutonomous,
    conduct: { ...check.conduct, ...known?.conduct },
  }
}
