public import ControlAPI
public import CoordinatorCore
import NetworkTypes

extension Outrider_V1_Communication {
    public init(_ info: CommunicationInfo) {
        self.init()
        groups = info.groups.map { entry in
            var message = Outrider_V1_TalkingGroups()
            message.sourceApplication = entry.source.application.description
            message.sourceHost = entry.source.host.description
            message.destinationApplication = entry.destination.application.description
            message.destinationHost = entry.destination.host.description
            message.bytesPerS = entry.bytesPerSecond
            return message
        }
        applications = info.applications.map { entry in
            var message = Outrider_V1_TalkingApplications()
            message.sourceApplication = entry.source.description
            message.destinationApplication = entry.destination.description
            message.bytesPerS = entry.bytesPerSecond
            return message
        }
        advice = info.advice.map { entry in
            var message = Outrider_V1_CommunicationAdvice()
            message.application = entry.application.description
            message.hosts = entry.hosts.map(\.description)
            message.neighbours = entry.neighbours.map(\.description)
            return message
        }
    }
}
