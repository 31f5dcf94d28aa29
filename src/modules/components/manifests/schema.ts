// The shapes of module manifests: what a `root.modules.yaml` may hold, and what is kept of it.

import { Closed, Described, Integer, Type } from '../../../kernel/schema/schema.ts'
import { ComponentId, Semver } from '../schemas.ts'

const Word = Type.String({ minLength: 1, maxLength: 128 })
const Sentence = Type.String({ maxLength: 1024 })
/** Read, and shown where it matters; nothing here acts on it. */
const Unread = Type.Unknown()

const Cpu = Described(
  Type.String({ pattern: '^\\d{1,6}(\\.\\d{1,3})?m?$', maxLength: 12 }),
  'an amount of CPU such as 200m or 1.5',
)
const Amount = Described(
  Type.String({ pattern: '^\\d{1,15}([KMGT]i?)?$', maxLength: 20 }),
  'an amount of bytes such as 256Mi',
)
const Duration = Described(
  Type.String({ pattern: '^\\d{1,6}(ms|s|m|h)$', maxLength: 12 }),
  'a duration such as 30s',
)
/** `config-manager (>=1.0.0)`; the range is optional. */
const DependencyText = Described(
  Type.String({ pattern: '^[a-z0-9][a-z0-9._-]*( *\\([^()]{1,64}\\))?$', maxLength: 256 }),
  'a module and the versions of it, such as config-manager (>=1.0.0)',
)

const range = (amount: typeof Cpu | typeof Amount) =>
  Closed({ request: Type.Optional(amount), limit: Type.Optional(amount) })

const Rule = Closed({
  allow: Type.Optional(Type.Array(Word, { maxItems: 64 })),
  deny: Type.Optional(Type.Array(Word, { maxItems: 64 })),
})

const Policy = Closed({
  network: Type.Optional(Rule),
  kubernetes: Type.Optional(Rule),
  filesystem_write: Type.Optional(Rule),
  capabilities: Type.Optional(Rule),
})

const shared = {
  version: Semver,
  group: Type.Optional(Word),
  /** Larger ones load first within a stage. */
  priority: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000 })),
  stage: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  description: Type.Optional(Sentence),
}

const Resources = Closed({
  cpu: Type.Optional(range(Cpu)),
  memory: Type.Optional(range(Amount)),
  storage: Type.Optional(range(Amount)),
})

export const ManifestModule = Closed({
  ...shared,
  name: ComponentId,
  load_stage: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  enabled: Type.Optional(Type.Boolean()),
  auto_start: Type.Optional(Type.Boolean()),
  entrypoint: Type.Optional(Sentence),
  dependencies: Type.Optional(
    Type.Array(
      Type.Union([
        DependencyText,
        Closed({
          name: ComponentId,
          version: Type.Optional(Type.String({ minLength: 1, maxLength: 64 })),
          optional: Type.Optional(Type.Boolean()),
        }),
      ]),
      { maxItems: 64 },
    ),
  ),
  resources: Type.Optional(Resources),
  health_check: Type.Optional(
    Closed({
      endpoint: Type.Optional(Sentence),
      interval: Type.Optional(Duration),
      timeout: Type.Optional(Duration),
      retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
    }),
  ),
  environment: Type.Optional(Type.Array(Closed({ name: Word, value: Sentence }), { maxItems: 64 })),
  policy: Type.Optional(Policy),
})

const LoadStage = Closed({
  stage: Type.Integer({ minimum: 0, maximum: 100 }),
  modules: Type.Array(ComponentId, { maxItems: 256 }),
  description: Type.Optional(Sentence),
})

const body = {
  modules: Type.Array(ManifestModule, { maxItems: 256 }),
  load_sequence: Type.Optional(Type.Array(LoadStage, { maxItems: 101 })),
  groups: Type.Optional(Unread),
  dependency_graph: Type.Optional(Unread),
  version_management: Type.Optional(Unread),
  lifecycle_management: Type.Optional(Unread),
  monitoring: Type.Optional(Unread),
}

/** `modules` at the top, or the same under `spec` of a resource with `apiVersion` and `kind`. */
export const BareFile = Closed(body)
export const ResourceFile = Closed({
  apiVersion: Word,
  kind: Type.Literal('RootModulesConfig'),
  metadata: Type.Optional(Unread),
  spec: Closed(body),
  status: Type.Optional(Unread),
})

/** A module as the log keeps it: amounts in numbers, dependencies taken apart. */
export const DeclaredModule = Closed({
  ...shared,
  id: ComponentId,
  stage: Integer,
  priority: Integer,
  isEnabled: Type.Boolean(),
  dependencies: Type.Array(Closed({ id: ComponentId, range: Type.String(), isOptional: Type.Boolean() }), {
    maxItems: 64,
  }),
  resources: Type.Optional(
    Closed({
      cpuMillis: Type.Optional(Integer),
      cpuMillisMax: Type.Optional(Integer),
      memoryBytes: Type.Optional(Integer),
      memoryBytesMax: Type.Optional(Integer),
      storageBytes: Type.Optional(Integer),
      storageBytesMax: Type.Optional(Integer),
    }),
  ),
  healthCheck: Type.Optional(
    Closed({
      endpoint: Type.Optional(Sentence),
      intervalMs: Type.Optional(Integer),
      timeoutMs: Type.Optional(Integer),
      retries: Type.Optional(Integer),
    }),
  ),
  policy: Type.Optional(Policy),
})
