/**
 * The shapes of the API's documents, for the type check only.
 * One rule: a name here is a name of `gateway/ui/documents.py`.
 *
 * @typedef {boolean|number|string} Value
 * @typedef {{days: number}} Catchup
 * @typedef {{id: string, number: number, name: string, group: string, logo: string, radio: boolean,
 *   resolution: string|null, catchup: Catchup|null}} Channel
 * @typedef {{id: string, channel: string, start: string, stop: string, title: string, subtitle?: string,
 *   description?: string, category?: string, age?: number}} Programme
 * @typedef {{id: string, kind: "audio"|"subtitle", language: string, name: string, selected: boolean}} Track
 * @typedef {{channel: string|null, number: number|null, name: string|null,
 *   picture: "idle"|"tuning"|"playing"|"stalled"|"failed", first_frame_ms: number|null,
 *   mode: "live"|"timeshift"|"catchup"|"recording", position: string|null, paused: boolean,
 *   window: {start: string, end: string}|null, recording: string|null, tracks: Track[], volume_percent: number, muted: boolean,
 *   plane: "under"|"osd"|"inpage", stream: string|null, stream_id: string|null, code: string|null}} Tv
 * @typedef {{id: string, name: string, device: string, device_name: string, capability: string,
 *   device_class: string, unit: string, part: string, writable: boolean, choices: string[],
 *   minimum: number|null, maximum: number|null, step: number, value: Value|null, available: boolean,
 *   reported_at: string|null, source: string, body: string, quality: Quality,
 *   shown: {value: Value, unit: string}|null}} Entity
 * @typedef {"good"|"kept"|"unknown"|"implausible"|"undated"} Quality
 * @typedef {"sent"|"acknowledged"|"confirmed"|"failed"|"expired"} CommandState
 * @typedef {{id: string, entity: string, value: Value, state: CommandState, code: string|null,
 *   created_at: string, changed_at: string, expires_at: string}} Command
 * @typedef {{id: string, version: string, name: Record<string, string>, summary: Record<string, string>, icon: string, color: string,
 *   state: "installed"|"open"}} App
 * @typedef {{id: string, channel: string, channel_name: string, title: string, subtitle: string,
 *   description: string, start: string, stop: string,
 *   state: "planned"|"recording"|"done"|"partial"|"failed"|"conflict", size_bytes: number,
 *   duration_s: number, position_s: number, series: string|null, code: string|null}} Recording
 * @typedef {{id: string, title: string, channel: string|null, keep_last: number}} Series
 * @typedef {{recordings: Recording[], series: Series[],
 *   space: {used_bytes: number, quota_bytes: number, free_bytes: number}}} Recordings
 * @typedef {{id: string, programme: Programme}} Reminder
 * @typedef {{channel: string, now: Programme|null, next: Programme|null}} NowOn
 * @typedef {{id: string, name: string, child: boolean, favourites: string[]}} Member
 * @typedef {{members: Member[], current: string|null, levelling: boolean, share_viewing: boolean}} Household
 * @typedef {{has_pin: boolean, max_age: number|null, channels: string[],
 *   hours: {start: string, stop: string}|null, minutes_a_day: number|null, minutes_left: number|null,
 *   open_until: string|null}} Lock
 * @typedef {{address: string, qr: string, code: string, expires_at: string}} PairingOffer
 * @typedef {{id: string, name: string, role: "viewer"|"member"|"owner", paired_at: string,
 *   seen_at: string|null}} Phone
 * @typedef {{endpoint: string, name: string, model: string, address: string, since: string}} WaitingDevice
 * @typedef {{endpoint: string, name: string, model: string, verdict: "admitted"|"refused", at: string}} JudgedDevice
 * @typedef {{name: string, label: string, made_at: string}} DeviceAccount
 * @typedef {{account: DeviceAccount, secret: string,
 *   broker: {host: string, port: number, tls: boolean, ca: string|null, ca_sha256: string|null}|null}} DeviceCredentials
 * @typedef {{endpoint: string, label: string, made_at: string}} CoapKey
 * @typedef {{waiting: WaitingDevice[], devices: JudgedDevice[], accounts: DeviceAccount[],
 *   keys: CoapKey[]}} DevicePairing
 * @typedef {{text: Record<string, string>, code: string|null, at: string, urgent?: boolean, camera?: string|null}} Notice
 * @typedef {{id: string, text: Record<string, string>, expires_at: string, camera?: string|null}} Question
 * @typedef {{id: number, text: Record<string, string>, at: string}} Message
 * @typedef {{id: string, name: string|Record<string, string>, do: {entity: string, value: Value}[]}} Scene
 * @typedef {{entity: string, value: Value, command: Command|null, code: string|null}} SceneOrder
 * @typedef {"up"|"down"|"left"|"right"|"ok"|"back"|"home"|"menu"|"info"|"guide"|"channel_up"|
 *   "channel_down"|"last"|"volume_up"|"volume_down"|"mute"|"0"|"1"|"2"|"3"|"4"|"5"|"6"|"7"|"8"|"9"|
 *   "red"|"green"|"yellow"|"blue"|"play"|"pause"|"stop"|"rewind"|"forward"|"power"|"sos"} Key
 */
export {};
