import Dataplane
import FleetProtocol
import NetworkTypes

/// What a caller is told, and what its port is.
extension AgentMachine {
    /// Bytes; the overlay's one MTU.
    var mtu: Int { durable.grant?.overlayMTU ?? 1450 }

    func port(of sni: SessionNetworkID) -> Port? {
        guard let bound = durable.bindings[sni], let lease = durable.lease(of: sni) else { return nil }
        return Port(
            sni: sni, block: lease.order.block, application: bound.binding.application,
            interface: bound.binding.interface, mac: bound.mac, standby: isOnStandby(sni))
    }

    func reply(to requests: [RequestID], for bound: BoundInterface, into effects: inout [AgentEffect]) {
        let sni = bound.binding.sni
        guard let plan = durable.grant?.overlay else {
            let error = AgentError.notGranted(reason: "the overlay's plan is not known yet")
            for request in requests { effects.append(.reply(request, .failure(error))) }
            return
        }
        let answer = AttachAnswer(
            sni: sni, ipv4: plan.ipv4(of: sni), ipv6: plan.ipv6(of: sni), gateway4: Gateway.ipv4,
            gateway6: Gateway.ipv6, mtu: mtu, port: "sni\(sni.hex)", mac: bound.mac,
            priority: durable.scopes[bound.binding.application]?.priority ?? .standard,
            servedFrom: bound.binding.servedFrom)
        for request in requests { effects.append(.reply(request, .success(.attached(answer)))) }
    }
}

/// The same gateway on every host: it never leaves the port.
enum Gateway {
    /// 169.254.1.1.
    static let ipv4 = IPv4Address(169 << 24 | 254 << 16 | 1 << 8 | 1)
    /// fe80::1.
    static let ipv6 = IPv6Address.linkLocal(1)
}

extension MACAddress {
    /// The VM's address when it brings none: `06:4f:52:` and the identifier.
    static func standard(for sni: SessionNetworkID) -> MACAddress {
        MACAddress(0x064f_5200_0000 | UInt64(sni.rawValue))
    }
}

extension BoundInterface {
    var asRequest: AttachRequest {
        AttachRequest(
            application: binding.application, session: binding.session, interface: binding.interface, mac: mac,
            port: port)
    }
}

extension AttachRequest {
    /// Name of the first parameter in which a later call differs, or nil. The wait is not one of them.
    func difference(to other: AttachRequest, defaultMAC: MACAddress? = nil) -> String? {
        if application != other.application { return "application" }
        if session != other.session { return "session" }
        if mac != other.mac ?? defaultMAC { return "mac" }
        if port != other.port { return "port" }
        return nil
    }
}

extension LaunchCounts {
    mutating func count(_ served: ServedFrom) {
        switch served {
        case .staged: staged += 1
        case .leased: leased += 1
        case .reserved: reserved += 1
        case .cold: cold += 1
        }
    }
}
