// Every setting of this program in one table, and the keys of other programs' files that are known here.

import type { ForeignKey } from './kernel/config/document.ts'
import { type Setting, settingTable } from './kernel/config/setting.ts'
import * as hub from './settings/hub.ts'
import * as modules from './settings/modules.ts'

const isSetting = (member: object): member is Setting => 'key' in member && 'schema' in member

const settingsIn = (members: readonly object[]): readonly Setting[] =>
  members
    .flatMap((member) => (isSetting(member) ? [member] : (Object.values(member) as Setting[])))
    .sort((a, b) => (a.key < b.key ? -1 : 1))

export const SETTINGS = settingTable([
  ...settingsIn(Object.values(hub)),
  ...settingsIn(Object.values(modules)),
])

const foreign = (service: string, ...keys: readonly string[]): readonly ForeignKey[] =>
  keys.map((key) => ({ path: `${service}.${key}` }))

const endpoint = (service: string, { url }: { readonly url: Setting }): ForeignKey => ({
  path: `${service}.endpoint`,
  key: url.key,
})

/** Keys of the environment files of the Triune ecosystem, which an overlay may hold as they are. */
export const FOREIGN_KEYS: readonly ForeignKey[] = [
  endpoint('legio_cognito', modules.LEGIO_COGNITO),
  endpoint('triumvirate_monitor', modules.TRIUMVIRATE_MONITOR),
  endpoint('shadowscrolls', modules.SHADOW_SCROLLS),
  ...foreign(
    'legio_cognito',
    'authentication',
    'features.auto_archive',
    'features.search_indexing',
    'features.version_control',
    'features.retention_policy',
  ),
  ...foreign(
    'triumvirate_monitor',
    'features.real_time_updates',
    'features.mobile_push',
    'features.alert_thresholds.health_score_minimum',
    'features.alert_thresholds.security_critical',
    'features.alert_thresholds.error_rate_maximum',
    'features.dashboard_refresh',
  ),
  ...foreign(
    'swarm_engine',
    'integration_mode',
    'compatibility',
    'shared_modules',
    'memory_sharing',
    'event_streaming',
  ),
  ...foreign(
    'shadowscrolls',
    'verification_level',
    'attestation_mode',
    'signature_algorithm',
    'local_fallback',
  ),
]
