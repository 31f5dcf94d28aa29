// What a file of rule tests says: cases with a request and with what the rules are expected to answer.

import { Closed, type Static, Type, validate } from '../schema/schema.ts'
import { parseYaml, type TextPlace } from '../schema/yaml-document.ts'
import { CONDUCT } from './conduct.ts'

const CASES_MAX = 2000
const ACTIONS_MAX = 512
const NAME_CHARS_MAX = 200
const LIST_MAX = 256

const oneOf = <T extends string>(...words: readonly T[]) =>
  Type.Union(words.map((word) => Type.Literal(word)))
const RiskWord = oneOf('low', 'medium', 'high', 'critical')
const Fact = Type.Union([
  Type.String(),
  Type.Boolean(),
  Type.Integer(),
  Type.Array(Type.String(), { maxItems: LIST_MAX }),
])
const Facts = Type.Record(Type.String({ maxLength: 64 }), Fact, { maxProperties: 64 })
const Conduct = Closed(Object.fromEntries(Object.keys(CONDUCT).map((word) => [word, Type.Optional(Fact)])))
const Texts = Type.Array(Type.String({ maxLength: 256 }), { maxItems: LIST_MAX })
const FactTypeWord = Type.String({
  pattern: '^(string|boolean|integer|strings)\\??$',
  description: 'string, boolean, integer or strings, with a ? where it may be left out',
})

const TestedPrincipal = Closed({
  kind: oneOf('user', 'agent', 'service', 'component', 'hub'),
  id: Type.String({ minLength: 1, maxLength: 256 }),
  roles: Type.Optional(Texts),
})

const TestedStanding = Closed({
  autonomous: Type.Optional(Type.Boolean()),
  trust: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
  exceeded: Type.Optional(Texts),
  trace: Type.Optional(Texts),
  halted: Type.Optional(Texts),
  health: Type.Optional(oneOf('healthy', 'degraded', 'critical', 'unknown')),
  advice: Type.Optional(oneOf('execute', 'pause', 'reject', 'escalate', 'retry', 'rollback')),
})

const TestedRequest = Closed({
  chain: Type.Optional(Type.Array(TestedPrincipal, { minItems: 1, maxItems: 8 })),
  action: Type.Optional(Type.String({ maxLength: 128 })),
  resource: Type.Optional(Type.String({ maxLength: 512 })),
  risk: Type.Optional(Type.Union([RiskWord, Type.Literal('unclassified')])),
  facts: Type.Optional(Facts),
  conduct: Type.Optional(Conduct),
  standing: Type.Optional(TestedStanding),
  inScope: Type.Optional(Type.Boolean()),
  approvals: Type.Optional(Texts),
  solo: Type.Optional(Type.Boolean()),
  now: Type.Optional(Type.String({ maxLength: 32 })),
})

const Expected = Type.Object(
  {
    effect: Type.Optional(oneOf('allow', 'denied', 'suspended')),
    reasons: Type.Optional(Texts),
    includes: Type.Optional(Texts),
    excludes: Type.Optional(Texts),
    obligations: Type.Optional(Texts),
    risk: Type.Optional(RiskWord),
    raisedBy: Type.Optional(Texts),
  },
  { additionalProperties: false, minProperties: 1 },
)

const TestFile = Closed({
  actions: Type.Optional(
    Type.Array(
      Closed({
        name: Type.String({ maxLength: 128 }),
        facts: Type.Optional(
          Type.Record(Type.String({ maxLength: 64 }), FactTypeWord, { maxProperties: 64 }),
        ),
        risk: Type.Optional(RiskWord),
        conduct: Type.Optional(Conduct),
      }),
      { maxItems: ACTIONS_MAX },
    ),
  ),
  states: Type.Optional(
    Type.Record(Type.String({ maxLength: 128 }), oneOf('draft', 'shadow', 'enforced'), {
      maxProperties: 2000,
    }),
  ),
  defaults: Type.Optional(TestedRequest),
  cases: Type.Array(
    Closed({
      name: Type.String({ minLength: 1, maxLength: NAME_CHARS_MAX }),
      request: Type.Optional(TestedRequest),
      expect: Expected,
    }),
    { minItems: 1, maxItems: CASES_MAX },
  ),
})

export type RuleTestFile = Static<typeof TestFile>
export type RuleTestRequest = Static<typeof TestedRequest>
export type RuleTestCase = RuleTestFile['cases'][number]

export interface ReadRuleTests {
  readonly file: RuleTestFile
  /** Place of the value at an RFC 6901 pointer. */
  placeOf(pointer: string): TextPlace
  /** Runs a check; violations that it throws get line and column. */
  check<T>(body: () => T): T
}

/** Throws `input.invalid` with line and column: not YAML, an unknown key, a value of the wrong kind, no case at all. */
export function readRuleTests(text: string, source: string): ReadRuleTests {
  const document = parseYaml(text, source)
  const file = document.check(() => validate(TestFile, document.value, source))
  return { file, placeOf: document.placeOf, check: document.check }
}
