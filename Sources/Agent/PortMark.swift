import Dataplane
import NetworkTypes

/// The mark on a port (its interface alias): who the port belongs to, so that it can be adopted without a journal.
///
/// `outrider VM/NIC APPLICATION MAC`; fits IFALIASZ (256 bytes) by the limits of ``VMInterface``.
struct PortMark: Hashable {
    static let tag = "outrider"
    var interface: VMInterface
    var application: ApplicationID
    var mac: MACAddress

    init(_ port: Port) {
        interface = port.interface
        application = port.application
        mac = port.mac
    }

    /// Nil for an alias that is not one of ours.
    init?(_ alias: String) {
        let parts = alias.split(separator: " ", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == Self.tag, let slash = parts[1].lastIndex(of: "/"),
            let nic = Int(parts[1][parts[1].index(after: slash)...]),
            let interface = VMInterface(vm: String(parts[1][..<slash]), nic: nic),
            let application = ApplicationID(String(parts[2])), let mac = MACAddress(String(parts[3]))
        else { return nil }
        self.interface = interface
        self.application = application
        self.mac = mac
    }

    var text: String { "\(Self.tag) \(interface) \(application) \(mac)" }
}
