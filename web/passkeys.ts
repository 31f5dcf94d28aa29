// Passkeys in this browser (W3C Web Authentication Level 3): makes one, and signs a statement with one. The authenticator
// sees the digest of the statement as its challenge; what comes of it is checked by the hub.

const TIMEOUT_MS = 120_000
const USER_ID_SIZE_BYTES = 32
/** COSE algorithms that the hub takes, the ones that are asked for first: ES256, EdDSA, RS256. */
const ALGORITHMS = [-7, -8, -257]

/** As the hub keeps it: `id` in base64url. */
export interface Credential {
  readonly id: string
  readonly rpId: string
  readonly origin: string
}

/** As `approvals.register-key` takes it, in base64. */
export interface NewPasskey {
  readonly publicKey: string
  readonly credential: Credential
  readonly registration: { readonly clientDataJson: string; readonly authenticatorData: string }
}

export interface Assertion {
  /** base64url. */
  readonly id: string
  readonly signature: string
  readonly authenticatorData: string
  readonly clientDataJson: string
}

/** Why no passkey can be used on this page, in words; undefined where they can. */
export function whyNot({
  hostname,
  port,
}: Pick<Location, 'hostname' | 'port'> = location): string | undefined {
  // Browsers make passkeys for names only, and a number is none.
  if (/^[\d.]+$|^\[/.test(hostname)) {
    const isHere = hostname.startsWith('127.') || hostname === '[::1]'
    const place = isHere ? `http://localhost${port === '' ? '' : `:${port}`}` : 'https://NAME-OF-THIS-HUB'
    return `Passkeys belong to a name, and this page is open under a number. Sign in under a name: polity --url ${place} sign-in`
  }
  if (!isSecureContext)
    return 'Passkeys need a connection that nobody else can read: open this page over https.'
  return 'PublicKeyCredential' in globalThis ? undefined : 'This browser knows no passkeys.'
}

/** Rejects with what went wrong, in words. */
export async function createPasskey(
  offer: string,
  principal: string,
  known: readonly Credential[],
): Promise<NewPasskey> {
  const challenge = await digestOf(offer)
  const made = await inWords(() =>
    navigator.credentials.create({
      publicKey: {
        challenge,
        rp: { id: location.hostname, name: 'Polity' },
        user: {
          id: crypto.getRandomValues(new Uint8Array(USER_ID_SIZE_BYTES)),
          name: principal,
          displayName: principal,
        },
        pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: 'public-key', alg })),
        authenticatorSelection: { userVerification: 'required', residentKey: 'discouraged' },
        excludeCredentials: known.map(descriptorOf),
        attestation: 'none',
        timeout: TIMEOUT_MS,
      },
    }),
  )
  if (!(made instanceof PublicKeyCredential && made.response instanceof AuthenticatorAttestationResponse))
    throw new Error('The browser made no passkey.')
  const { response } = made
  const publicKey = response.getPublicKey()
  if (publicKey === null) throw new Error('This passkey signs in a way that the browser does not know.')
  return {
    publicKey: base64(publicKey),
    credential: { id: made.id, rpId: location.hostname, origin: location.origin },
    registration: {
      clientDataJson: base64(response.clientDataJSON),
      authenticatorData: base64(response.getAuthenticatorData()),
    },
  }
}

/** With one of these. Rejects with what went wrong, in words. */
export async function signWithPasskey(statement: string, known: readonly Credential[]): Promise<Assertion> {
  const challenge = await digestOf(statement)
  const made = await inWords(() =>
    navigator.credentials.get({
      publicKey: {
        challenge,
        rpId: known[0]?.rpId ?? location.hostname,
        allowCredentials: known.map(descriptorOf),
        userVerification: 'required',
        timeout: TIMEOUT_MS,
      },
    }),
  )
  if (!(made instanceof PublicKeyCredential && made.response instanceof AuthenticatorAssertionResponse))
    throw new Error('The browser signed nothing.')
  const { signature, authenticatorData, clientDataJSON } = made.response
  return {
    id: made.id,
    signature: base64(signature),
    authenticatorData: base64(authenticatorData),
    clientDataJson: base64(clientDataJSON),
  }
}

const WORDS: Readonly<Record<string, string>> = {
  NotAllowedError: 'The passkey was not used: it was cancelled, took too long, or is not on this device.',
  InvalidStateError: 'This device holds a passkey of yours for this hub already.',
  SecurityError: 'The browser makes no passkeys for the name of this page.',
  NotSupportedError: 'This device has no passkeys of a kind that the hub takes.',
}

async function inWords<T>(ceremony: () => Promise<T>): Promise<T> {
  try {
    return await ceremony()
  } catch (error) {
    const name = error instanceof Error ? error.name : ''
    throw new Error(WORDS[name] ?? `The passkey could not be used (${name}).`, { cause: error })
  }
}

const descriptorOf = ({ id }: Credential): PublicKeyCredentialDescriptor => ({
  type: 'public-key',
  id: Uint8Array.from(atob(id.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0)),
})

const digestOf = (statement: string): Promise<ArrayBuffer> =>
  crypto.subtle.digest('SHA-256', new TextEncoder().encode(statement))

const base64 = (bytes: ArrayBuffer): string => btoa(String.fromCharCode(...new Uint8Array(bytes)))
