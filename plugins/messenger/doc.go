// Package messenger is the channel for one-time notifications of Facebook Messenger: it sends one message for one
// token through the Send API, asks for consents with the one_time_notif_req template, and reads the page's webhook.
// Everything that is Facebook's own stays in here.
//
// What is known of the platform comes from Meta's pages (One-Time Notification guide, Messenger Platform FAQ, Send a
// Message, Messenger Webhooks, Common Error Codes); where they are silent the code takes the side of the token: in
// doubt a message counts as [otn.Unknown], never as not sent, and a token is never given up without positive evidence.
//
// # Setting up a page
//
// README.md in this folder says how, what bots may ask for at …/hooks/{instance}/chatfuel, and what stops a page.
package messenger
