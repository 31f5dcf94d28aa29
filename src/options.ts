// From the configuration to what the hub, its modules and its doors are opened with: every setting has its reader here.

import { resolve } from 'node:path'
import { signingSettings } from './doors/cli/signing-settings.ts'
import type { HubOptions } from './hub.ts'
import type { Configuration } from './kernel/config/configuration.ts'
import { asPolityError } from './kernel/errors.ts'
import { resolveSecret } from './kernel/secrets/secrets.ts'
import { type ArchiveOptions, archiveSettings } from './modules/archive/settings.ts'
import * as settings from './settings.ts'

type Opened = Pick<
  HubOptions,
  'storeUrl' | 'anchorPath' | 'signer' | 'timestamps' | 'isMlDsa' | 'policyDir' | 'mode' | 'egressAllow'
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
    mode: read(settings.GATE_MODE),
    egressAllow: configuration.live(settings.EGRESS_ALLOW),
  }
}

export function doorOptions(configuration: Configuration) {
  const level = configuration.live(settings.LOG_LEVEL)
  return {
    host: configuration.read(settings.HTTP_HOST),
    port: configuration.read(settings.HTTP_PORT),
    isLogPublic: configuration.read(settings.LOG_PUBLIC),
    level: () => level.current(),
  }
}

export async function archiveOptions({ read }: Configuration): Promise<ArchiveOptions> {
  return archiveSettings({
    copies: read(settings.ARCHIVE_COPIES),
    searchUrl: await valueBehind(read(settings.ARCHIVE_SEARCH)),
    accessKeyId: await ifThere(read(settings.ARCHIVE_ACCESS_KEY)),
    secretAccessKey: await ifThere(read(settings.ARCHIVE_SECRET_KEY)),
    sessionToken: await ifThere(read(settings.ARCHIVE_SESSION_TOKEN)),
  })
}

const REFERENCE = /^(?:env|file):/

/** The value itself, or what its reference stands for. Throws `secret.missing`. */
const valueBehind = async (text: string | undefined): Promise<string | undefined> =>
  text !== undefined && REFERENCE.test(text) ? resolveSecret(text) : text

/** Nothing behind a reference means that there is no such secret. */
async function ifThere(reference: string): Promise<string | undefined> {
  try {
    return await resolveSecret(reference)
  } catch (error) {
    if (asPolityError(error).code === 'secret.missing') return undefined
    throw error
  }
}
