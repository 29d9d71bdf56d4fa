public import FleetProtocol
public import NetworkTypes

/// A network interface of the host as it was read.
public struct HostInterface: Hashable, Sendable {
    /// Interface index.
    public var index: Int
    public var name: String
    /// Empty when it has none.
    public var alias: String
    public init(index: Int, name: String, alias: String = "") {
        self.index = index
        self.name = name
        self.alias = alias
    }
}

/// An interface that another system manages, and whose it is.
public struct ObservedInterface: Hashable, Sendable {
    public var interface: HostInterface
    public var application: ApplicationID
    /// The VM: its UUID where a libvirt domain has the interface, else the interface's name.
    public var vm: String
    /// The VM's name where it is known.
    public var vmName: String?
    /// The VM's process where it is known.
    public var process: Int32?
    public init(
        interface: HostInterface, application: ApplicationID, vm: String, vmName: String? = nil, process: Int32? = nil
    ) {
        self.interface = interface
        self.application = application
        self.vm = vm
        self.vmName = vmName
        self.process = process
    }
}

/// Finds the interfaces that are looked at.
public struct ObservationBook: Sendable {
    /// The first that matches decides.
    public let rules: [ObservationRule]
    private let domains: [String: LibvirtDomain]

    /// - Parameter domains: those that run, in any order.
    public init(rules: [ObservationRule], domains: [LibvirtDomain]) {
        self.rules = rules
        var byInterface: [String: LibvirtDomain] = [:]
        for domain in domains { for name in domain.interfaces { byInterface[name] = domain } }
        self.domains = byInterface
    }

    /// Nil for an interface that no rule matches, or whose application its rule does not find.
    public func observed(_ interface: HostInterface) -> ObservedInterface? {
        let domain = domains[interface.name]
        let rule = rules.first { $0.matches(name: interface.name, alias: interface.alias, domain: domain?.name) }
        guard let rule else { return nil }
        let application: ApplicationID? =
            switch rule.application {
            case .fixed(let id): id
            case .alias: interface.alias.split(separator: " ").lazy.compactMap { ApplicationID(String($0)) }.first
            case .metadata: domain?.application
            }
        return application.map {
            ObservedInterface(
                interface: interface, application: $0, vm: domain?.uuid.description ?? interface.name,
                vmName: domain?.name, process: domain?.process)
        }
    }
}

/// Everything of such interfaces that was read at one time.
public struct ObservedReading: Sendable {
    public struct Port: Hashable, Sendable {
        public var observed: ObservedInterface
        /// From the VM's side.
        public var counters: TrafficCounters
        public init(observed: ObservedInterface, counters: TrafficCounters) {
            self.observed = observed
            self.counters = counters
        }
    }
    /// CPU time of one VM's process since it began.
    public struct Task: Hashable, Sendable {
        public var vm: String
        public var process: Int32
        /// Boot-time clock.
        public var began: Instant
        public var cpuNanoseconds: UInt64
        public init(vm: String, process: Int32, began: Instant, cpuNanoseconds: UInt64) {
            self.vm = vm
            self.process = process
            self.began = began
            self.cpuNanoseconds = cpuNanoseconds
        }
    }

    /// Boot-time clock.
    public var at: Instant
    /// Nil when the interfaces could not be read.
    public var ports: [Port]?
    public var tasks: [Task] = []
    /// Bytes by VM.
    public var memory: [String: UInt64] = [:]
    /// VMs with a known process that could not be read.
    public var unreadVMs: Set<String> = []
    public init(at: Instant) { self.at = at }
}

/// What one reading brought of one application.
public struct ObservedMeasure: Hashable, Sendable {
    /// Now.
    public var vms = 0
    public var interfaces = 0
    /// Since the reading before.
    public var launches = 0
    public var stops = 0
    public var measure = ApplicationMeasure()
    public init() {}
}
