// The configuration of a hub as actions: show what is in force, propose another one, take it back.

import { command, query } from '../catalog/definition.ts'
import { entryType } from '../log/entry.ts'
import { Closed, Described, Json, Private, Sha256, Type } from '../schema/schema.ts'
import { YAML_SIZE_MAX_BYTES } from '../schema/yaml-document.ts'

const Reload = Type.Union([Type.Literal('live'), Type.Literal('restart')])

/** A key and its values in public form: references as references, what is long by its digest. */
const Change = Closed({
  key: Type.String(),
  before: Type.Optional(Json),
  after: Type.Optional(Json),
  /** `restart`: recorded and written down, in force from the next start on. */
  reload: Reload,
  /** Where the new value comes from: a file and its line, a variable, a flag. */
  origin: Type.String(),
})

/** Another configuration is in force at a hub. Digests are over the public form of every key that is set. */
export const ConfigChanged = entryType('config.changed@1', {
  digest: Sha256,
  before: Sha256,
  /** `proposed`: by an action; `reloaded`: files have changed; `rolled-back`: what was before is in force again. */
  cause: Type.Union([Type.Literal('proposed'), Type.Literal('reloaded'), Type.Literal('rolled-back')]),
  changes: Type.Array(Change),
  /** Why it was rolled back. */
  reason: Type.Optional(Type.String({ maxLength: 1000 })),
})

const Outcome = Closed({
  status: Type.Union([Type.Literal('changed'), Type.Literal('unchanged'), Type.Literal('rolled-back')]),
  digest: Sha256,
  changes: Type.Array(Change),
  /** Keys that wait for the next start. */
  restart: Type.Array(Type.String()),
  /** Keys of the proposal that something above it says otherwise. */
  masked: Type.Array(Type.String()),
  reason: Type.Optional(Type.String()),
})

export const show = query('config.show@1', {
  summary: 'The configuration in force, and where each value comes from.',
  input: {},
  output: Closed({
    digest: Sha256,
    settings: Type.Array(
      Closed({
        key: Type.String(),
        value: Json,
        /** `default`, a file and its line, a variable, a flag. */
        origin: Type.String(),
        reload: Reload,
        /** Something else is set, and the next start takes it. */
        isPending: Type.Boolean(),
      }),
    ),
  }),
  risk: 'high',
  cli: { isHidden: true },
  http: { path: 'config' },
})

/** Private: the log keeps what changed, and not the whole text. */
const Yaml = Described(
  Private(Type.String({ maxLength: YAML_SIZE_MAX_BYTES, contentMediaType: 'application/yaml' })),
  'the text of a configuration file in YAML: it replaces the one that the hub keeps in its data folder',
)

export const propose = command('config.propose@1', {
  summary:
    'Checks a configuration, rehearses it, puts it in force, watches, and takes it back if the hub is not well.',
  input: { yaml: Yaml },
  output: Outcome,
  errors: ['config.invalid', 'config.guarded', 'config.busy', 'config.shared', 'secret.plaintext'],
  risk: 'high',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'idempotent',
  resource: () => 'hub',
  cli: { positional: ['yaml'] },
})

export const rehearse = query('config.rehearse@1', {
  summary: 'What a configuration would change, without changing anything.',
  input: { yaml: Yaml },
  output: Closed({
    digest: Sha256,
    changes: Type.Array(Change),
    restart: Type.Array(Type.String()),
    masked: Type.Array(Type.String()),
  }),
  errors: ['config.invalid', 'config.guarded', 'secret.plaintext'],
  risk: 'high',
  cli: { positional: ['yaml'] },
})

export const reload = command('config.reload@1', {
  summary: 'Reads the configuration files again, and goes the same way with what has changed.',
  input: {},
  output: Outcome,
  errors: ['config.invalid', 'config.guarded', 'config.busy', 'secret.plaintext'],
  risk: 'high',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'idempotent',
  resource: () => 'hub',
})

export const rollBack = command('config.roll-back@1', {
  summary: 'Puts the configuration back that was in force before the last proposal.',
  input: {},
  output: Outcome,
  errors: ['config.invalid', 'config.busy', 'config.shared', 'config.none'],
  risk: 'high',
  conduct: { changes: ['configuration'], reversible: true },
  effect: 'idempotent',
  resource: () => 'hub',
})
