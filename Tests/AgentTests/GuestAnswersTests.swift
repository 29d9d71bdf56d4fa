import Addressing
import Dataplane
import Netlink
import NetworkTypes
import Testing

@testable import Agent

/// Who asks is the port that the question came through, whatever the question says.
@Suite struct GuestAnswersTests {
    private static let first = SessionNetworkID(unchecked: 0x101A)
    private static let second = SessionNetworkID(unchecked: 0x101B)
    private static let mac = MACAddress(0x064F_5200_101A)
    private static let solicitation: [UInt8] = [133, 0, 0, 0, 0, 0, 0, 0]

    private let ports = PortBook()
    private let answers: GuestAnswers

    init() {
        ports.put(Self.first, index: 7, isNew: true, application: nil, mac: Self.mac)
        ports.put(Self.second, index: 8, isNew: true, application: nil, mac: nil)
        answers = GuestAnswers(
            configuration: DataplaneConfiguration(vtep: .v4(IPv4Address(0xC000_0201)), mtu: 1450),
            plan: AddressingPlan(
                gateway4: DataplaneConfiguration.gateway4, gateway6: DataplaneConfiguration.gateway6,
                gatewayMAC: DataplaneConfiguration.portMAC), ports: ports)
    }

    private func question(
        _ channel: GuestDatagram.Channel, port: Int, from peer: IPAddress, _ bytes: [UInt8]
    ) -> GuestDatagram {
        GuestDatagram(
            channel: channel, port: port, peer: peer, peerPort: 68, local: .v4(IPv4Address(.max)), hopLimit: 255,
            bytes: bytes)
    }

    private func discover(_ mac: MACAddress) -> [UInt8] {
        var bytes: [UInt8] = [1, 1, 6, 0, 1, 2, 3, 4] + [UInt8](repeating: 0, count: 20) + mac.bytes
        bytes += [UInt8](repeating: 0, count: 10 + 192)
        return bytes + [0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255]
    }

    @Test func aPortIsToldItsOwnAddress() throws {
        let plan = OverlayPlan.standard
        let mac = Self.mac
        let asked = question(.dhcp4, port: 7, from: .v4(IPv4Address(0)), discover(mac))
        let offer = try #require(answers.answers(to: asked).first)
        #expect(offer.port == 7 && offer.peer == .v4(plan.ipv4(of: Self.first)) && offer.peerPort == 68)
        #expect(offer.local == .v4(DataplaneConfiguration.gateway4))
        #expect(Array(offer.bytes[16..<20]) == plan.ipv4(of: Self.first).bytes)
        // The same through another port is nobody's.
        #expect(answers.answers(to: question(.dhcp4, port: 8, from: asked.peer, asked.bytes)) == [])
        #expect(answers.answers(to: question(.dhcp4, port: 9, from: asked.peer, asked.bytes)) == [])
    }

    @Test func advertisementsGoToTheOneWhoIsThere() throws {
        let asked = question(.router, port: 7, from: .v6(.linkLocal(5)), Self.solicitation)
        let answer = try #require(answers.answers(to: asked).first)
        #expect("\(answer.peer)" == "ff02::1" && answer.port == 7)
        #expect(answer.local == .v6(DataplaneConfiguration.gateway6))
        #expect(answers.announcements == [answer], "one port has no known guest")
        var routed = asked
        routed.hopLimit = 64
        #expect(answers.answers(to: routed) == [])
    }

    @Test func aPortThatIsGoneIsToldNothing() {
        let asked = question(.router, port: 7, from: .v6(.linkLocal(5)), Self.solicitation)
        ports.remove(Self.first, counters: nil)
        #expect(answers.answers(to: asked) == [] && answers.announcements == [])
        // Its index may be another's by then.
        ports.put(Self.second, index: 7, isNew: true, application: nil, mac: Self.mac)
        #expect(answers.answers(to: asked).count == 1)
        #expect(ports.port(index: 7)?.0 == Self.second && ports.port(index: 8) == nil)
    }
}
