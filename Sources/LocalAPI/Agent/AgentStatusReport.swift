public import NetworkTypes

/// Answer to `Status`.
public struct AgentStatusReport: Hashable, Sendable {
    public struct Grant: Hashable, Sendable {
        public var boot: String
        public var overlayIPv4: String
        public var overlayIPv6: String
        /// Bytes.
        public var mtu: Int
        public var vxlanPort: Int
        public var bindUntil: Duration
        public var cooldown: Duration
        public var aggregateInterval: Duration
        public init(
            boot: String, overlayIPv4: String, overlayIPv6: String, mtu: Int, vxlanPort: Int, bindUntil: Duration,
            cooldown: Duration, aggregateInterval: Duration
        ) {
            self.boot = boot
            self.overlayIPv4 = overlayIPv4
            self.overlayIPv6 = overlayIPv6
            self.mtu = mtu
            self.vxlanPort = vxlanPort
            self.bindUntil = bindUntil
            self.cooldown = cooldown
            self.aggregateInterval = aggregateInterval
        }
    }
    public struct Lease: Hashable, Sendable {
        public var block: SNIBlock
        public var application: ApplicationID
        public var epoch: Epoch
        public var staged: Bool
        public var marked: Bool
        public var drained: Bool
        public var bound: Int
        public var cooling: Int
        public var available: Int
        public init(
            block: SNIBlock, application: ApplicationID, epoch: Epoch, staged: Bool, marked: Bool, drained: Bool,
            bound: Int, cooling: Int, available: Int
        ) {
            self.block = block
            self.application = application
            self.epoch = epoch
            self.staged = staged
            self.marked = marked
            self.drained = drained
            self.bound = bound
            self.cooling = cooling
            self.available = available
        }
    }
    public struct Binding: Hashable, Sendable {
        public var sni: SessionNetworkID
        public var interface: VMInterface
        public var application: ApplicationID
        public var session: SessionID?
        /// `bound`, `held` or `cooling`.
        public var state: String
        public var servedFrom: String
        public var epoch: Epoch
        public var mac: MACAddress
        public var port: String?
        public init(
            sni: SessionNetworkID, interface: VMInterface, application: ApplicationID, session: SessionID?,
            state: String, servedFrom: String, epoch: Epoch, mac: MACAddress, port: String?
        ) {
            self.sni = sni
            self.interface = interface
            self.application = application
            self.session = session
            self.state = state
            self.servedFrom = servedFrom
            self.epoch = epoch
            self.mac = mac
            self.port = port
        }
    }
    public struct Counts: Hashable, Sendable {
        public var staged = 0
        public var leased = 0
        public var reserved = 0
        public var cold = 0
        public var failed = 0
        public var stopped = 0
        public var waiting = 0
        public init() {}
    }
    public struct Dataplane: Hashable, Sendable {
        public var routes = 0
        public var nexthops = 0
        public var nftElements = 0
        public var remoteBlocks = 0
        public var kernelWrites: UInt64 = 0
        public var foreign: [String] = []
        public var pending: [String] = []
        /// Tunnel endpoints of peers that echoes go to.
        public var paths = 0
        /// Those of them that do not answer.
        public var silentPaths: [String] = []
        public init() {}
    }

    public var host: String
    public var incarnation: String
    public var boot: String
    public var recovering: Bool
    /// Why nothing may be bound, or nil.
    public var bindingStopped: String?
    public var journalSequence: UInt64
    public var grant: Grant?
    public var connected: Bool
    /// Time since the coordinator's last word.
    public var silentFor: Duration?
    public var position: String
    public var acknowledged: String
    public var leases: [Lease]
    public var bindings: [Binding]
    public var counts: Counts
    public var dataplane: Dataplane?
    /// Files of damaged journals that were set aside and nobody has removed.
    public var damagedJournals: [String] = []
    /// Nil from an agent that does not tell.
    public var telemetry: AgentTelemetryReport?

    public init(
        host: String, incarnation: String, boot: String, recovering: Bool, bindingStopped: String?,
        journalSequence: UInt64, grant: Grant?, connected: Bool, silentFor: Duration?, position: String,
        acknowledged: String, leases: [Lease], bindings: [Binding], counts: Counts, dataplane: Dataplane?,
        telemetry: AgentTelemetryReport? = nil
    ) {
        self.telemetry = telemetry
        self.host = host
        self.incarnation = incarnation
        self.boot = boot
        self.recovering = recovering
        self.bindingStopped = bindingStopped
        self.journalSequence = journalSequence
        self.grant = grant
        self.connected = connected
        self.silentFor = silentFor
        self.position = position
        self.acknowledged = acknowledged
        self.leases = leases
        self.bindings = bindings
        self.counts = counts
        self.dataplane = dataplane
    }
}
