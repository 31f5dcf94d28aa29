// From the configuration to what the hub and its doors are opened with.

import { resolve } from 'node:path'
import { signingSettings } from './doors/cli/signing-settings.ts'
import type { HubOptions } from './hub.ts'
import type { Configuration } from './kernel/config/configuration.ts'
import { valueBehind } from './secret-settings.ts'
import * as settings from './settings/hub.ts'

type Opened = Pick<
  HubOptions,
  'storeUrl' | 'anchorPath' | 'signer' | 'timestamps' | 'isMlDsa' | 'policyDir' | 'rollout' | 'egressAllow'
> & { readonly dir: string }

/** Throws `secret.missing` for a reference to nothing, `usage` for settings that belong together. */
export async function hubOptions(configuration: Configuration): Promise<Opened> {
  const { read } = configuration
  const [storeUrl, anchor, policy] = [
    await valueBehind(read(settings.STORE)),
    read(settings.LOG_ANCHOR),
    read(settings.GATE_POLICY),
  ]
  const signerCommand = read(settings.SIGNER_COMMAND)
  return {
    dir: resolve(read(settings.DATA)),
    ...(storeUrl === undefined ? {} : { storeUrl }),
    ...(anchor === undefined ? {} : { anchorPath: resolve(anchor) }),
    ...(policy === undefined ? {} : { policyDir: resolve(policy) }),
    ...signingSettings({
      signerCommand: signerCommand === undefined ? undefined : JSON.stringify(signerCommand),
      signerKey: read(settings.SIGNER_KEY),
      timestampUrl: read(settings.TIMESTAMP_URL),
      timestampCa: read(settings.TIMESTAMP_CA),
    }),
    isMlDsa: read(settings.SIGNER_ML_DSA),
    rollout: { mode: read(settings.GATE_MODE) },
    egressAllow: configuration.live(settings.EGRESS_ALLOW),
  }
}

export function doorOptions(configuration: Configuration) {
  const level = configuration.live(settings.LOG_LEVEL)
  return {
    host: configuration.read(settings.HTTP_HOST),
    port: configuration.read(settings.HTTP_PORT),
    trustedProxies: configuration.read(settings.HTTP_TRUSTED_PROXIES),
    isLogPublic: configuration.read(settings.LOG_PUBLIC),
    level: () => level.current(),
  }
}
