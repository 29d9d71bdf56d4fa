import FleetProtocol
import NetworkTypes

private enum EndpointCoding {
    static let ipv6: UInt64 = 1 << 32
}

extension ByteWriter {
    mutating func sni(_ value: SessionNetworkID) { number(UInt64(value.rawValue)) }
    mutating func block(_ value: SNIBlock) {
        sni(value.first)
        byte(UInt8(value.order))
    }
    mutating func position(_ value: Position) {
        number(value.generation)
        number(value.term)
        number(value.revision)
    }
    mutating func interface(_ value: VMInterface) {
        text(value.vm)
        byte(UInt8(value.nic))
    }
    mutating func grant(_ value: BootGrant) {
        text(value.identity.host.name)
        uuid(value.identity.incarnation)
        uuid(value.identity.boot)
        signed(value.bindUntil.inNanoseconds)
        prefix(value.overlay.ipv4)
        prefix(value.overlay.ipv6)
        number(value.overlayMTU)
        number(UInt64(value.vxlanPort))
        signed(value.cooldown.inNanoseconds)
        signed(value.aggregateInterval.inNanoseconds)
    }
    private mutating func prefix(_ value: IPPrefix) {
        switch value {
        case .v4(let address, let length):
            byte(4)
            fixed(UInt64(address.rawValue))
            number(length)
        case .v6(let address, let length):
            byte(6)
            fixed(address.high)
            fixed(address.low)
            number(length)
        }
    }
    /// An IPv4 endpoint is its number, as in journals from before there were others; an IPv6 one follows a number that
    /// no IPv4 address has.
    mutating func endpoint(_ value: IPAddress) {
        switch value {
        case .v4(let address): number(UInt64(address.rawValue))
        case .v6(let address):
            number(EndpointCoding.ipv6)
            fixed(address.high)
            fixed(address.low)
        }
    }
    mutating func scope(_ value: ScopeState) {
        uuid(value.application)
        text(value.name)
        list(value.ranges) {
            $0.sni($1.first)
            $0.number($1.count)
        }
        list(value.allowed) { $0.uuid($1) }
        text(value.priority.rawValue)
    }
    mutating func order(_ value: LeaseOrder) {
        block(value.block)
        uuid(value.application)
        number(value.epoch.rawValue)
        flag(value.staged)
        flag(value.marked)
        flag(value.force)
        flag(value.fromReserved)
    }
    mutating func lease(_ value: LeaseRecord) {
        block(value.block)
        uuid(value.application)
        number(value.epoch.rawValue)
        flag(value.drained)
    }
    mutating func remote(_ value: RemoteBlock) {
        block(value.block)
        uuid(value.application)
        number(value.epoch.rawValue)
        text(value.host.name)
        endpoint(value.vtep)
    }
    mutating func binding(_ value: BindingRecord) {
        sni(value.sni)
        interface(value.interface)
        uuid(value.application)
        optional(value.session) { $0.uuid($1) }
        text(value.state.rawValue)
        text(value.servedFrom.rawValue)
        number(value.epoch.rawValue)
    }
    mutating func bound(_ value: BoundInterface) {
        binding(value.binding)
        number(value.mac.rawValue)
        switch value.port {
        case .veth(let namespace, let name):
            byte(1)
            text(namespace)
            text(name)
        case .tap(let owner, let group):
            byte(2)
            optional(owner) { $0.number(UInt64($1)) }
            optional(group) { $0.number(UInt64($1)) }
        case .later: byte(3)
        }
        flag(value.plugged)
    }
}

extension ByteReader {
    mutating func narrow<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws(JournalRecordError) -> Value
    {
        try need(Value(exactly: try number()), "a smaller number")
    }
    mutating func sni() throws(JournalRecordError) -> SessionNetworkID {
        try need(SessionNetworkID(try narrow()), "an identifier of 24 bits")
    }
    mutating func block() throws(JournalRecordError) -> SNIBlock {
        let first = try sni()
        let order = try byte()
        guard order <= 24 else { throw fail("the order of a block") }
        return try need(SNIBlock(first: first, size: 1 << Int(order)), "an aligned block")
    }
    mutating func position() throws(JournalRecordError) -> Position {
        Position(generation: try number(), term: try number(), revision: try number())
    }
    mutating func host() throws(JournalRecordError) -> HostID { try need(HostID(try text()), "a host name") }
    mutating func interface() throws(JournalRecordError) -> VMInterface {
        let vm = try text()
        return try need(VMInterface(vm: vm, nic: Int(try byte())), "a VM interface")
    }
    mutating func grant() throws(JournalRecordError) -> BootGrant {
        let identity = AgentIdentity(host: try host(), incarnation: try uuid(), boot: try uuid())
        let bindUntil = Duration.nanoseconds(try signed())
        let plan = OverlayPlan(ipv4: try prefix(), ipv6: try prefix())
        let overlay = try need(plan, "an overlay plan")
        let mtu = try count()
        let port: UInt16 = try narrow()
        let cooldown = Duration.nanoseconds(try signed())
        return BootGrant(
            identity: identity, bindUntil: bindUntil, overlay: overlay, overlayMTU: mtu, vxlanPort: port,
            cooldown: cooldown, aggregateInterval: .nanoseconds(try signed()))
    }
    private mutating func prefix() throws(JournalRecordError) -> IPPrefix {
        switch try byte() {
        case 4:
            let address = IPv4Address(try need(UInt32(exactly: try fixed()), "an IPv4 address"))
            return .v4(address, length: try count())
        case 6:
            let address = IPv6Address(high: try fixed(), low: try fixed())
            return .v6(address, length: try count())
        default: throw fail("an address family")
        }
    }
    mutating func endpoint() throws(JournalRecordError) -> IPAddress {
        let value = try number()
        if value == EndpointCoding.ipv6 { return .v6(IPv6Address(high: try fixed(), low: try fixed())) }
        return .v4(IPv4Address(try need(UInt32(exactly: value), "a tunnel endpoint")))
    }
    mutating func scope() throws(JournalRecordError) -> ScopeState {
        let application: ApplicationID = try uuid()
        let name = try text()
        let ranges = try list { (part) throws(JournalRecordError) in
            let first = try part.sni()
            let count = try part.count()
            return try part.need(SNIRange(first: first, count: count), "a range")
        }
        let allowed: [ApplicationID] = try list { (part) throws(JournalRecordError) in try part.uuid() }
        let priority = try need(PriorityClass(rawValue: try text()), "a priority class")
        return ScopeState(application: application, name: name, ranges: ranges, allowed: allowed, priority: priority)
    }
    mutating func order() throws(JournalRecordError) -> LeaseOrder {
        LeaseOrder(
            block: try block(), application: try uuid(), epoch: Epoch(try number()), staged: try flag(),
            marked: try flag(), force: try flag(), fromReserved: try flag())
    }
    mutating func lease() throws(JournalRecordError) -> LeaseRecord {
        LeaseRecord(block: try block(), application: try uuid(), epoch: Epoch(try number()), drained: try flag())
    }
    mutating func remote() throws(JournalRecordError) -> RemoteBlock {
        RemoteBlock(
            block: try block(), application: try uuid(), epoch: Epoch(try number()), host: try host(),
            vtep: try endpoint())
    }
    mutating func binding() throws(JournalRecordError) -> BindingRecord {
        let sni = try sni()
        let interface = try interface()
        let application: ApplicationID = try uuid()
        let session: SessionID? = try optional { (part) throws(JournalRecordError) in try part.uuid() }
        let state = try need(BindingState(rawValue: try text()), "a binding state")
        let served = try need(ServedFrom(rawValue: try text()), "what served the launch")
        return BindingRecord(
            sni: sni, interface: interface, application: application, session: session, state: state,
            servedFrom: served, epoch: Epoch(try number()))
    }
    mutating func bound() throws(JournalRecordError) -> BoundInterface {
        let binding = try binding()
        let mac = MACAddress(try number())
        let port: PortRequest
        switch try byte() {
        case 1: port = .veth(namespace: try text(), name: try text())
        case 2:
            let owner: UInt32? = try optional { (part) throws(JournalRecordError) in try part.narrow() }
            let group: UInt32? = try optional { (part) throws(JournalRecordError) in try part.narrow() }
            port = .tap(owner: owner, group: group)
        case 3: port = .later
        default: throw fail("a kind of port")
        }
        return BoundInterface(binding: binding, mac: mac, port: port, plugged: try flag())
    }
}
