// What an embedder imports: a hub, the words a module is written in, and the modules that come along.

export { type Hub, type HubOptions, openHub } from './hub.ts'
export { command, noun, Page, query } from './kernel/catalog/definition.ts'
export { defineModule } from './kernel/catalog/module.ts'
export { PolityError } from './kernel/errors.ts'
export { entryType } from './kernel/log/entry.ts'
export { view } from './kernel/log/view.ts'
export {
  Closed,
  Integer,
  Json,
  Key,
  Name,
  Private,
  Secret,
  Sha256,
  Timestamp,
  Type,
} from './kernel/schema/schema.ts'
export { archiveModule } from './modules/archive/module.ts'
export { attest } from './modules/attest/module.ts'
export { meshModule } from './modules/mesh/module.ts'
export { mirror } from './modules/mirror/module.ts'
export { state } from './modules/state/module.ts'
