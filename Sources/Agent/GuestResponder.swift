import Addressing
import Dataplane
import Netlink
import NetworkTypes

/// Tells VMs their addresses, by DHCP, DHCPv6 and router advertisements: whoever is behind a port gets what belongs to
/// the port, and nothing else.
///
/// Nothing is remembered: an answer follows from the question and the port, so a restart of the agent forgets no lease.
final class GuestResponder: Sendable {
    /// Advertisements nobody asked for: half a day would do for the lifetime that they carry.
    private static let announcementInterval = Duration.seconds(3600)

    private let server: GuestServer

    /// Opens the sockets and answers from now on.
    init(
        configuration: DataplaneConfiguration, dns: [IPAddress], ports: PortBook, in sockets: NamespaceSockets
    ) throws(NetlinkError) {
        let answers = GuestAnswers(
            configuration: configuration,
            plan: AddressingPlan(
                gateway4: DataplaneConfiguration.gateway4, gateway6: DataplaneConfiguration.gateway6,
                gatewayMAC: DataplaneConfiguration.portMAC, dns: dns), ports: ports)
        server = try GuestServer(
            in: sockets, every: Self.announcementInterval, announce: { answers.announcements },
            answer: { answers.answers(to: $0) })
    }

    /// The sockets are closed; who asks now hears nothing.
    func stop() { server.stop() }
}

/// From a question to the datagrams that answer it.
struct GuestAnswers: Sendable {
    private static let allNodes = IPv6Address(high: 0xFF02_0000_0000_0000, low: 1)
    private static let everybody = IPv4Address(0xFFFF_FFFF)

    let configuration: DataplaneConfiguration
    let plan: AddressingPlan
    let ports: PortBook

    /// What the VM behind a port is told; nil for a port that is not known, or whose VM's link address is not.
    private func guest(_ sni: SessionNetworkID, _ port: PortBook.Port) -> GuestPort? {
        guard let mac = port.mac, Int(sni.rawValue) < configuration.plan.capacity else { return nil }
        return GuestPort(
            mac: mac, ipv4: configuration.plan.ipv4(of: sni), ipv6: configuration.plan.ipv6(of: sni),
            mtu: configuration.mtu)
    }

    func answers(to question: GuestDatagram) -> [GuestDatagram] {
        guard let (sni, port) = ports.port(index: question.port), let guest = guest(sni, port) else { return [] }
        var answer = question
        switch (question.channel, question.peer) {
        case (.dhcp4, _):
            guard let reply = DHCPv4.reply(to: question.bytes, for: guest, plan) else { return [] }
            answer.local = .v4(plan.gateway4)
            answer.peerPort = DHCPv4.clientPort
            answer.bytes = reply.bytes
            switch reply.destination {
            case .broadcast: answer.peer = .v4(Self.everybody)
            case .unicast(let address): answer.peer = .v4(address)
            }
        case (.dhcp6, _):
            guard let bytes = DHCPv6.reply(to: question.bytes, for: guest, plan) else { return [] }
            answer.local = .v6(plan.gateway6)
            answer.peerPort = DHCPv6.clientPort
            answer.link = guest.mac
            answer.bytes = bytes
        case (.router, .v6):
            guard RouterAdvertisement.isSolicited(by: question.bytes, hopLimit: question.hopLimit ?? 0) else {
                return []
            }
            answer = advertisement(on: question.port, to: guest)
        case (.router, .v4): return []
        }
        return [answer]
    }

    /// To all nodes: there is one.
    private func advertisement(on index: Int, to guest: GuestPort) -> GuestDatagram {
        GuestDatagram(
            channel: .router, port: index, peer: .v6(Self.allNodes), peerPort: 0, local: .v6(plan.gateway6),
            bytes: RouterAdvertisement.message(for: guest, plan))
    }

    /// One advertisement for each port.
    var announcements: [GuestDatagram] {
        ports.all.sorted { $0.key < $1.key }.compactMap { sni, port in
            guest(sni, port).map { advertisement(on: port.index, to: $0) }
        }
    }
}
