public import ControlAPI
public import FleetProtocol
public import NetworkTypes

// Conversions of the small values that stream and unary messages share.

/// Parses one text-coded value or names the field that carries the wrong one.
package func parse<Value: LosslessStringConvertible>(_ text: String, _ field: String) throws(MappingError) -> Value {
    guard let value = Value(text) else {
        throw MappingError(field: field, detail: "'\(text)' is not a valid \(Value.self)")
    }
    return value
}

package func parseSNI(_ raw: UInt32, _ field: String) throws(MappingError) -> SessionNetworkID {
    guard let sni = SessionNetworkID(raw) else {
        throw MappingError(field: field, detail: "\(raw) does not fit 24 bits; identifiers are 0 ... 16777215")
    }
    return sni
}

/// Parses `VM/NIC`.
package func parseInterface(_ text: String, _ field: String) throws(MappingError) -> VMInterface {
    guard let slash = text.lastIndex(of: "/"), let nic = Int(text[text.index(after: slash)...]),
        let interface = VMInterface(vm: String(text[..<slash]), nic: nic)
    else { throw MappingError(field: field, detail: "'\(text)' is not VM/NIC") }
    return interface
}

extension Outrider_V1_MigrationPhase {
    /// The message form.
    public init(_ value: Departure.Phase) {
        switch value {
        case .preparing: self = .preparing
        case .flipped: self = .flipped
        case .dropped: self = .dropped
        }
    }
    /// The value form.
    public func value(_ field: String) throws(MappingError) -> Departure.Phase {
        switch self {
        case .preparing: return .preparing
        case .flipped: return .flipped
        case .dropped: return .dropped
        case .unspecified, .UNRECOGNIZED: throw MappingError(field: field, detail: "unknown value \(rawValue)")
        }
    }
}

extension Outrider_V1_Position {
    /// The message form of a position.
    public init(_ position: Position) {
        self.init()
        generation = position.generation
        term = position.term
        revision = position.revision
    }
    /// The value form.
    public var value: Position { Position(generation: generation, term: term, revision: revision) }
}

extension Outrider_V1_Block {
    /// The message form of a block.
    public init(_ block: SNIBlock) {
        self.init()
        first = block.first.rawValue
        size = UInt32(block.size)
    }
    /// The value form.
    public func value(_ field: String) throws(MappingError) -> SNIBlock {
        guard let block = SNIBlock(first: try parseSNI(first, field), size: Int(size)) else {
            throw MappingError(field: field, detail: "\(first)+\(size) is not an aligned power-of-two block")
        }
        return block
    }
}

extension Outrider_V1_Range {
    /// The message form of a range.
    public init(_ range: SNIRange) {
        self.init()
        first = range.first.rawValue
        count = UInt32(range.count)
    }
    /// The value form.
    public func value(_ field: String) throws(MappingError) -> SNIRange {
        guard let range = SNIRange(first: try parseSNI(first, field), count: Int(count)) else {
            throw MappingError(field: field, detail: "\(first)+\(count) is empty or leaves the 24-bit space")
        }
        return range
    }
}

extension Outrider_V1_ServedFrom {
    /// The message form.
    public init(_ value: ServedFrom) {
        switch value {
        case .staged: self = .staged
        case .leased: self = .leased
        case .reserved: self = .reserved
        case .cold: self = .cold
        }
    }
    /// The value form.
    public func value(_ field: String) throws(MappingError) -> ServedFrom {
        switch self {
        case .staged: return .staged
        case .leased: return .leased
        case .reserved: return .reserved
        case .cold: return .cold
        case .unspecified, .UNRECOGNIZED: throw MappingError(field: field, detail: "unknown value \(rawValue)")
        }
    }
}

extension Outrider_V1_PriorityClass {
    /// The message form.
    public init(_ value: PriorityClass) {
        switch value {
        case .critical: self = .critical
        case .standard: self = .standard
        case .batch: self = .batch
        }
    }
    /// The value form; not given means standard.
    public func value(_ field: String) throws(MappingError) -> PriorityClass {
        switch self {
        case .critical: return .critical
        case .standard, .unspecified: return .standard
        case .batch: return .batch
        case .UNRECOGNIZED: throw MappingError(field: field, detail: "unknown value \(rawValue)")
        }
    }
}

extension Outrider_V1_LeaseRecord {
    init(_ record: LeaseRecord) {
        self.init()
        block = Outrider_V1_Block(record.block)
        application = record.application.description
        epoch = record.epoch.rawValue
        drained = record.drained
        awaitsArrival = record.awaitsArrival
    }
    func value(_ field: String) throws(MappingError) -> LeaseRecord {
        LeaseRecord(
            block: try block.value("\(field).block"), application: try parse(application, "\(field).application"),
            epoch: Epoch(epoch), drained: drained, awaitsArrival: awaitsArrival)
    }
}

extension Outrider_V1_BindingRecord {
    init(_ record: BindingRecord) {
        self.init()
        sni = record.sni.rawValue
        vm = record.interface.vm
        nic = UInt32(record.interface.nic)
        application = record.application.description
        session = record.session?.description ?? ""
        switch record.state {
        case .bound: state = .bound
        case .held: state = .held
        case .cooling: state = .cooling
        case .ended: state = .ended
        }
        servedFrom = Outrider_V1_ServedFrom(record.servedFrom)
        epoch = record.epoch.rawValue
    }
    func value(_ field: String) throws(MappingError) -> BindingRecord {
        guard let interface = VMInterface(vm: vm, nic: Int(nic)) else {
            throw MappingError(field: "\(field).vm", detail: "'\(vm)'/\(nic) is not a valid VM interface")
        }
        let state: BindingState
        switch self.state {
        case .bound: state = .bound
        case .held: state = .held
        case .cooling: state = .cooling
        case .ended: state = .ended
        case .unspecified, .UNRECOGNIZED:
            throw MappingError(field: "\(field).state", detail: "unknown value \(self.state.rawValue)")
        }
        let session: SessionID? = self.session.isEmpty ? nil : try parse(self.session, "\(field).session")
        return BindingRecord(
            sni: try parseSNI(sni, "\(field).sni"), interface: interface,
            application: try parse(application, "\(field).application"), session: session, state: state,
            servedFrom: try servedFrom.value("\(field).served_from"), epoch: Epoch(epoch))
    }
}

package func milliseconds(_ duration: Duration) -> UInt64 { UInt64(max(0, duration.inNanoseconds / 1_000_000)) }
package func duration(milliseconds: UInt64) -> Duration { .milliseconds(Int64(clamping: milliseconds)) }
