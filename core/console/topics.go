// Topics and their waiting lists: what people ask for, and how many wait for what.

package console

import (
	"github.com/onetimenotify/otn/core"
	"github.com/onetimenotify/otn/core/otn"
)

// topicsView is the list of topics.
type topicsView struct {
	Topics []core.TopicView
	Most   int64 // that wait for one of them
}

func (topicsView) title() string { return "Topics" }

func (c *console) topics(*visit) (any, error) {
	var t topicsView
	var err error
	t.Topics, err = c.host.Topics()
	for _, one := range t.Topics {
		t.Most = max(t.Most, one.Waiting)
	}
	return t, err
}

// topicView is one topic, with its longest waiting lists and its consents.
type topicView struct {
	core.TopicView
	Asks           string // the title of its request for consent
	Answers        []otn.Field
	Demand         []core.DemandView
	Lists          int
	Subject, State string // of the consents that are shown
	Consents       []core.ConsentView
	Next           string
	First          bool
}

func (t topicView) title() string {
	if t.ID == "" {
		return "Consents without a topic"
	}
	return t.ID
}

// demandShown is how many waiting lists of a topic are shown.
const demandShown = 20

func (c *console) topic(v *visit) (any, error) {
	all, err := c.host.Topics()
	if err != nil {
		return nil, err
	}
	t := topicView{Subject: v.arg("subject"), State: v.arg("state"), First: v.arg("after") == ""}
	for _, one := range all {
		if one.ID == v.arg("id") {
			t.TopicView = one
		}
	}
	if t.ID != v.arg("id") {
		return nil, otn.ErrUnknownTopic
	}
	if declared, ok := c.host.Rules().Topic(t.ID); ok {
		t.Asks, t.Answers = declared.Ask, declared.Answers
	}
	if t.Demand, t.Lists, err = c.host.Demand(t.ID, demandShown); err != nil {
		return nil, err
	}
	t.Consents, t.Next, err = c.host.Consents(core.ConsentQuery{Topic: t.ID, Subject: t.Subject, State: t.State, Cursor: v.arg("after"), Limit: aPage})
	return t, err
}
