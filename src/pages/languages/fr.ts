import type { PageWords } from '../words.ts';

export const french: PageWords = {
  tag: 'fr',
  pages: {
    denied: {
      title: 'Cette action est impossible',
      text: 'Votre demande a été refusée et rien n’a été modifié. Si vous avez besoin d’aide, indiquez au support la référence ci-dessous.',
    },
    step_up: {
      title: 'Confirmez votre identité',
      text: 'Cette page exige une nouvelle confirmation de votre identité.',
    },
    posted: {
      title: 'Votre saisie n’a pas été envoyée',
      text: 'Confirmez d’abord votre identité. Vous reviendrez ensuite au formulaire et pourrez l’envoyer de nouveau. Rien n’a été modifié jusqu’ici.',
    },
    no_session: {
      title: 'Connectez-vous d’abord',
      text: 'Vous n’êtes pas connecté, ou votre session est terminée. Connectez-vous, puis ouvrez de nouveau la page.',
    },
    expired: {
      title: 'Cette confirmation n’est plus valable',
      text: 'Elle a été commencée il y a trop longtemps ou dans un autre navigateur, ou elle est déjà terminée. Revenez à la page voulue et réessayez.',
    },
    cancelled: {
      title: 'Vous n’avez pas confirmé',
      text: 'La confirmation a été annulée et rien n’a été modifié.',
    },
    other_person: {
      title: 'Un autre compte a été utilisé',
      text: 'Vous avez confirmé avec un autre compte que celui de votre session. Utilisez le même compte.',
    },
    too_weak: {
      title: 'Une confirmation plus forte est nécessaire',
      text: 'Cette façon de confirmer ne suffit pas pour cette page. Réessayez avec une clé d’accès ou une autre méthode plus forte de votre compte.',
    },
    provider_failed: {
      title: 'Le service de connexion ne répond pas',
      text: 'Votre identité n’a pas pu être confirmée. Réessayez dans quelques minutes.',
    },
    too_often: {
      title: 'Trop de tentatives',
      text: 'La confirmation a échoué plusieurs fois. Attendez dix minutes avant de réessayer, ou indiquez au support la référence ci-dessous.',
    },
    not_set_up: {
      title: 'Cette page n’est pas disponible ici',
      text: 'Le site n’est pas entièrement configuré. Indiquez au support la référence ci-dessous.',
    },
  },
  reference: 'Référence',
  links: { confirm: 'Confirmer', again: 'Réessayer', back: 'Retour' },
};
