// What a person gets: exactly one text, card, gallery, image or template, and at most one quick reply.

package otn

// Form is the shape of a message. The zero Form is none.
type Form string

// The forms, in the order in which a channel that lacks one falls back: gallery, card, text.
const (
	TextForm    Form = "text"
	CardForm    Form = "card"
	GalleryForm Form = "gallery"
	ImageForm   Form = "image"
	// TemplateForm is a text that the platform approved before, by name: some channels carry nothing else.
	TemplateForm Form = "template"
)

// Limits of a message, in characters and cards. Source: Messenger Send API and template references.
const (
	MaxText     = 2000
	MaxTitle    = 80
	MaxSubtitle = 80
	MaxCards    = 10
	MaxButtons  = 3
	MaxAskTitle = 65
)

// Message is one rendered message. Exactly one of Text, Card, Gallery, Image and Template is set.
type Message struct {
	Text       string      `json:"text,omitempty"`
	Card       *Card       `json:"card,omitempty"`
	Gallery    []Card      `json:"gallery,omitempty"`
	Image      string      `json:"image,omitempty"` // URL
	Template   *Template   `json:"template,omitempty"`
	QuickReply *QuickReply `json:"quick_reply,omitempty"`
}

// Template names a text that the platform approved, with what fills its places.
type Template struct {
	Name     string   `json:"name"`
	Language string   `json:"language"` // BCP 47 tag
	Params   []string `json:"params,omitempty"`
}

// Card is a title with more: at least one of the other fields is set.
type Card struct {
	Title    string   `json:"title"`
	Subtitle string   `json:"subtitle,omitempty"`
	Image    string   `json:"image,omitempty"` // URL
	URL      string   `json:"url,omitempty"`   // where a tap on the card leads
	Buttons  []Button `json:"buttons,omitempty"`
}

// Button opens a page.
type Button struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

// QuickReply is one tap that answers the message.
type QuickReply struct {
	Title   string `json:"title"`
	Payload string `json:"payload,omitempty"` // comes back with the tap; empty: the title
}

// Form is the message's form, "" for a message without content.
func (m *Message) Form() Form {
	switch {
	case m.Card != nil:
		return CardForm
	case len(m.Gallery) > 0:
		return GalleryForm
	case m.Image != "":
		return ImageForm
	case m.Template != nil:
		return TemplateForm
	case m.Text != "":
		return TextForm
	}
	return ""
}
